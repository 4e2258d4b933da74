"""Pipelines that repeat steps: what they expand to, and what is refused."""

import pytest
import yaml

from preimage.errors import SpecError
from preimage.jobs.references import references
from preimage.specs.load import loads

TRAIN = {
    "job": "train-gan",
    "data": {"source": "digits", "size": 16, "channels": 1},
    "model": {"base_channels": 4},
}
INVERT = {"job": "invert", "generator": "train"}
SPEC = {
    "rounds": 2,
    "repeat_while_improving": "pag.pag",
    "steps": {"train": TRAIN, "invert": INVERT, "pag": {"job": "pag", "store": "invert"}},
    "repeat": {
        "prior": {"job": "train-prior", "store": "invert", "generator": "train"},
        "train": TRAIN | {"resume_from": "train", "prior": "prior"},
        "invert": INVERT,
        "pag": {"job": "pag", "store": "invert", "prior": "prior"},
    },
    "finally": {
        "report": {
            "job": "induced-prior",
            "generators": ["train"],
            "stores": ["invert"],
            "priors": ["prior"],
        }
    },
}


def load(**changes):
    return loads(yaml.safe_dump(SPEC | changes, sort_keys=False), "test.yaml", "test")


def test_the_rounds_are_written_out_and_names_mean_what_was_last_made():
    spec = load()
    assert list(spec.steps) == [
        *("train", "invert", "pag"),
        *("prior-1", "train-1", "invert-1", "pag-1"),
        *("prior-2", "train-2", "invert-2", "pag-2"),
        "report",
    ]
    asked = {name: references(job) for name, job in spec.steps.items()}
    assert asked["prior-1"] == {"store": "invert", "generator": "train"}
    assert asked["train-1"] == {"resume_from": "train", "prior": "prior-1"}
    assert asked["pag-1"] == {"store": "invert-1", "prior": "prior-1"}
    assert asked["prior-2"] == {"store": "invert-1", "generator": "train-1"}
    assert asked["train-2"] == {"resume_from": "train-1", "prior": "prior-2"}
    assert asked["invert-2"] == {"generator": "train-2"}
    assert spec.steps["report"].generators == ("train", "train-1", "train-2")
    assert spec.steps["report"].stores == ("invert", "invert-1", "invert-2")
    assert spec.steps["report"].priors == ("prior-1", "prior-2")


def test_the_resolved_spec_is_the_same_pipeline_again():
    spec = load()
    again = loads(yaml.safe_dump(spec.resolved(), sort_keys=False), "stored.yaml", "x")
    assert again == spec
    assert spec.rounds.watched == ("pag", "pag-1", "pag-2")
    assert spec.rounds.steps[1] == ("prior-2", "train-2", "invert-2", "pag-2")


def test_one_round_is_the_first_of_two():
    one, many = load(rounds=1), load()
    assert {name: many.steps[name] for name in one.steps if name != "report"} == {
        name: job for name, job in one.steps.items() if name != "report"
    }


def test_overrides_reach_steps_of_every_section():
    text = yaml.safe_dump(SPEC, sort_keys=False)
    spec = loads(
        text, "a.yaml", "a", None, ["prior.model.width=9", "report.images=100", "repeat.train.seed=5"]
    )
    assert spec.steps["prior-1"].model.width == spec.steps["prior-2"].model.width == 9
    assert spec.steps["report"].images == 100
    assert [spec.steps[name].seed for name in ("train", "train-1")] == [0, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"repeat_while_improving": "pga.pag"},
            "repeat_while_improving: 'pga': no such repeated step; did you mean 'pag'",
        ),
        (
            {"repeat_while_improving": "pag.pga"},
            "repeat_while_improving: 'pga': no such metric of pag; did you mean 'pag'",
        ),
        ({"repeat": {}}, "repeat: must map step names"),
        ({"rounds": 0}, "rounds: should be greater than or equal to 1"),
        (
            {"finally": {"more": {"job": "pag", "store": "invert"}}},
            "finally.more.store: the last round is known only when it is done: name the step in a list",
        ),
        (
            {"finally": {"train-1": SPEC["finally"]["report"]}},
            "a run of it is named 'train-1', like another step: rename one of them",
        ),
        (
            {
                "repeat": {"prior": {"job": "train-prior", "store": "later"}, "later": INVERT},
                "repeat_while_improving": None,
            },
            "repeat.prior.store: the step 'later' does not come before",
        ),
    ],
)
def test_what_cannot_be_repeated_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        load(**changes)


def test_rounds_of_nothing_are_refused():
    spec = {
        key: value
        for key, value in SPEC.items()
        if key not in ("repeat", "finally", "repeat_while_improving")
    }
    with pytest.raises(SpecError, match="rounds: no step repeats"):
        loads(yaml.safe_dump(spec), "test.yaml", "test")
