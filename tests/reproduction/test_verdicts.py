"""Verdicts that rules draw from records."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reproduction.claims import Claim
from reproduction.page import number
from reproduction.records import Record
from reproduction.verdicts import Value, judge, values

FINITE = st.floats(0.01, 100.0)
MADE = {"job": "pca", "run": "pca-1", "fingerprint": "1", "created": "2026-01-02T03:04:05+00:00"}


def record(metrics: dict, name: str = "run-1", **more) -> Record:
    return Record(**MADE, name=name, metrics=metrics, instruction_set="avx2", **more)


def claim(**keys) -> Claim:
    about = {"id": "table-1", "where": "Table 1", "says": "A is below B.", "command": "preimage run x.yaml"}
    return Claim.model_validate({**about, "runs": ["run-*"], **keys})


def verdict(metrics: dict, **keys) -> str:
    return judge(claim(**keys), {"run-1": record(metrics)}).is_


def test_a_claim_without_a_record_is_what_it_says():
    one = claim(ours={"a": "a"}, reproduced=[{"at_most": 1.0}], without="needs a GPU")
    assert judge(one, {}).is_ == "needs a GPU"
    assert judge(one, {"other": record({"a": 0.5})}).is_ == "needs a GPU"
    assert judge(claim(), {}).is_ == "missing"
    assert judge(claim(), {"run-1": record({})}).is_ == "not judged"


@given(ours=FINITE, paper=FINITE)
def test_within_is_of_the_papers_value(ours, paper):
    near = abs(ours / paper - 1) <= 0.1
    found = verdict({"e": ours}, paper={"e": paper}, ours={"e": "e"}, reproduced=[{"within": 0.1}])
    assert found == ("reproduced" if near else "not reproduced")


@given(ours=st.lists(FINITE, min_size=3, max_size=3), paper=st.lists(FINITE, min_size=3, max_size=3))
def test_the_papers_order_is_that_of_all_pairs(ours, paper):
    names = ("a", "b", "c")
    same = all(
        mine < other
        for mine, theirs in zip(ours, paper, strict=True)
        for other, more in zip(ours, paper, strict=True)
        if theirs < more
    )
    found = verdict(
        dict(zip(names, ours, strict=True)),
        paper=dict(zip(names, paper, strict=True)),
        ours={name: name for name in names},
        reproduced=[{"within": 1e-9}],
        direction=[{"order": "paper"}],
    )
    if len(set(paper)) > 1 and ours != paper:
        assert found == ("direction only" if same else "not reproduced")


def test_orders_and_bounds():
    keys = {"ours": {"a": "x.a", "b": "x.b"}}
    metrics = {"x": {"a": 1, "b": 2}}
    assert verdict(metrics, **keys, direction=[{"order": ["a", "b"]}]) == "direction only"
    assert verdict(metrics, **keys, direction=[{"order": ["b", "a"]}]) == "not reproduced"
    assert verdict(metrics, **keys, reproduced=[{"at_least": 1.5, "of": ["b"]}]) == "reproduced"
    assert verdict(metrics, **keys, reproduced=[{"at_least": 1.5}]) == "not reproduced"
    assert verdict(metrics, **keys, reproduced=[{"at_most": 0.0}]) == "not reproduced"
    assert verdict(metrics, **keys, reproduced=[{"at_most": 2.0}]) == "reproduced"


def test_an_order_needs_intervals_apart():
    starts = {"a": 1.0, "b": 2.0, "c": 30.0}
    records = {f"{name}-{i}": record({"m": start + i}) for name, start in starts.items() for i in range(3)}
    ours = {name: {"metric": "m", "runs": [f"{name}-*"]} for name in starts}
    for high, expected in (("c", "direction only"), ("b", "undecided")):
        one = claim(ours=ours, direction=[{"order": ["a", high]}])
        assert judge(one, records).is_ == expected


def test_an_order_over_the_same_seeds_is_one_of_their_differences():
    """Seeds that differ widely, and of which each gains about as much."""
    one = claim(ours={"a": "a", "b": "b"}, direction=[{"order": ["a", "b"]}])
    gains = {f"run-{i}": record({"a": 10.0 * i, "b": 10.0 * i + 1 + 0.1 * i}) for i in range(3)}
    assert judge(one, gains).is_ == "direction only"
    mixed = gains | {"run-2": record({"a": 20.0, "b": 18.0})}
    assert judge(one, mixed).is_ == "undecided"
    against = gains | {"run-2": record({"a": 20.0, "b": 15.0})}
    assert judge(one, against).is_ == "not reproduced"
    others = {
        "a": {"metric": "a", "runs": ["run-0", "run-1", "run-2"]},
        "b": {"metric": "a", "runs": ["alone-*"]},
    }
    alone = {f"alone-{i}": record({"a": 10.0 * i + 1}) for i in range(3)}
    assert judge(claim(ours=others, direction=[{"order": ["a", "b"]}]), gains | alone).is_ == "undecided"


def test_an_order_of_two_seeds_needs_all_of_one_below_all_of_the_other():
    two = {"a": {"0": 1.0, "1": 3.0}, "b": {"0": 2.0, "1": 4.0}, "c": {"0": 3.5, "1": 9.0}}
    keys = {"ours": {"a": "a.*", "b": "b.*", "c": "c.*"}}
    assert verdict(two, **keys, direction=[{"order": ["a", "c"]}]) == "direction only"
    assert verdict(two, **keys, direction=[{"order": ["a", "b"]}]) == "undecided"
    assert verdict(two, **keys, direction=[{"order": ["b", "a"]}]) == "not reproduced"


def test_what_is_not_recorded_is_said_and_does_not_count():
    one = claim(paper={"a": 1, "b": 2}, ours={"a": "a", "b": "b"}, reproduced=[{"within": 0.1}])
    found = judge(one, {"run-1": record({"a": 1.05})})
    assert (found.is_, found.because) == ("reproduced", "not recorded: b")
    assert judge(one, {"run-1": record({"other": 1})}).is_ == "missing"
    keys = {
        "ours": {"a": "a", "b": "b", "c": "c"},
        "direction": [{"order": ["a", "b"]}, {"at_least": 3, "of": ["c"]}],
    }
    assert verdict({"a": 1, "b": 2}, **keys) == "missing"
    assert verdict({"a": 2, "b": 1}, **keys) == "not reproduced"
    assert verdict({"a": 1, "b": 2, "c": 3}, **keys) == "direction only"


def test_an_interval_is_students():
    value = Value((1.0, 2.0, 3.0))
    assert value.mean == 2.0
    assert value.half == pytest.approx(4.302652729749464 / sqrt(3))
    assert Value((1.0, 2.0)).half == 0.0


def test_values_come_from_several_records_and_from_the_ends_of_trials():
    trials = [
        {"number": i, "params": {}, "state": state, "values": {"pag.pag": float(i)}, "seconds": 1.0}
        for i, state in enumerate(["complete", "complete", "complete", "failed"])
    ]
    study = record({"picked": {"best": 1}}, trials=trials)
    one = claim(
        ours={
            "seeds": {"metric": "e", "runs": ["seed-*"]},
            "low": {"metric": "trials.*.pag.pag", "of": "lowest"},
            "high": {"metric": "trials.*.pag.pag", "of": "highest"},
            "picked": "picked.best.pag.pag",
        },
        reproduced=[{"at_least": 0}],
    )
    records = {"run-1": study, "seed-1": record({"e": 1}), "seed-2": record({"e": 2, "n": float("nan")})}
    found = {name: each.each for name, each in values(one, records).items()}
    assert found == {"seeds": (1.0, 2.0), "low": (0.0,), "high": (2.0,), "picked": (1.0,)}


@pytest.mark.parametrize("rule", [{"within": 9.0}, {"at_least": 0}, {"at_most": 9}, {"order": ["a", "b"]}])
def test_no_rule_holds_for_what_is_not_a_number(rule):
    one = claim(paper={"a": 1.0}, ours={"a": "a", "b": "b"}, reproduced=[{**rule, "of": ["a"]}])
    diverged = {"run-1": record({"a": float("nan"), "b": 2.0}), "run-2": record({"a": 1.0, "b": 2.0})}
    assert judge(one, {"run-2": diverged["run-2"]}).is_ == "reproduced"
    assert judge(one, diverged).is_ == "not reproduced"
    assert number(values(one, diverged)["a"].mean) == "not a number"


@pytest.mark.parametrize(
    "keys",
    [
        {"verdict": "reproduced"},
        {"verdict": "reproduced", "because": "x", "ours": {"a": "a"}, "reproduced": [{"at_least": 1}]},
        {"ours": {"a": "a"}, "reproduced": [{"at_least": 1, "at_most": 2}]},
        {"ours": {"a": "a"}, "reproduced": [{"order": ["a", "b"]}]},
        {"published": "GLO_ERRORS imagenet"},
        {"command": ""},
    ],
)
def test_claims_that_contradict_themselves_are_refused(keys):
    with pytest.raises(ValidationError):
        claim(**keys)
