import io
from dataclasses import replace
from math import inf, nan

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from preimage.tuning.annotations import Pick
from preimage.tuning.naming import number, short_names
from preimage.tuning.ranking import correlations, rank
from preimage.tuning.records import TrialRecord
from preimage.tuning.report import metrics, report
from preimage.tuning.table import table
from study_reports import complete, study, trials

LOWEST = {"pag": "minimize", "score": "maximize"}
VALUES = [(3.0, 0.3), (1.0, 0.1), (2.0, 0.2), (4.0, 0.4)]
"""The best first: trials 1, 2, 0, 3."""


def pick(name, trial, note=None):
    return Pick(name=name, trial=trial, time="2026-01-02T03:04:05+00:00", user="ada", note=note)


def plain(values):
    """Trials of one objective or two."""
    lines = [each if isinstance(each, tuple) else (each,) for each in values]
    return [
        complete(i, dict(zip(LOWEST, line, strict=False)), {"model.base_channels": i})
        for i, line in enumerate(lines)
    ]


def failed(number, error="no luck"):
    return TrialRecord(number=number, params={"model.base_channels": 9}, state="failed", error=error)


def written(records, objectives=LOWEST, picks=()):
    ranking = rank(records, objectives)
    return table(ranking, ["model.base_channels"], correlations(ranking), picks)


def test_trials_are_ranked_by_the_first_objective_in_its_direction():
    records = plain([(2.0, 5.0), (1.0, 4.0), (nan, 9.0), (1.0, 6.0)])
    order = [each.number for each in rank(records, LOWEST).complete]
    assert order == [1, 3, 0, 2], "the earlier of equal trials first, what is not a number last"
    turned = rank(records, {"score": "maximize", "pag": "minimize"})
    assert [each.number for each in turned.complete] == [2, 3, 0, 1]
    assert [turned.rank(each) for each in (2, 3, 0, 1)] == [1, 2, 3, 4]
    assert [rank(records, LOWEST).rank(each) for each in (1, 3, 0)] == [1, 1, 3]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_pareto_front_is_optunas(values):
    front = rank(plain([(float(a), float(b)) for a, b in values]), LOWEST).front
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    other = optuna.create_study(directions=["minimize", "maximize"])
    for pair in values:
        other.add_trial(optuna.trial.create_trial(values=[float(each) for each in pair]))
    assert front == {trial.number for trial in other.best_trials}


def test_the_table_has_every_trial_ranked_first_and_the_others_below_with_why():
    records = [*plain([(2.0, 1.0), (1.0, 2.0)]), failed(2, "a | b\nc")]
    stopped = TrialRecord(
        number=3, params={}, state="stopped", error="place 9 of 9", intermediate=((100, 2.0), (300, 1.25))
    )
    text = written([*records, stopped])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert text.startswith("4 trials: 2 complete, 1 stopped, 1 failed; ranked by pag, lowest first.")
    assert lines[2].startswith("| 1 | 1 | 1 | 1 | 2 (1) | Pareto front |")
    assert lines[3].startswith("| 2 | 0 | 0 | 2 | 1 (2) | - |")
    assert lines[6] == "| 3 | - | stopped | place 9 of 9 |"
    assert lines[7] == r"| 2 | 9 | failed | a \| b c |"


def test_agreement_is_positive_where_low_pag_goes_with_high_score():
    alike = written(plain([(float(i), 10.0 - i) for i in range(6)]))
    assert "**pag (lowest is best) and score (highest is best) rank the trials alike.**" in alike
    assert "Spearman's rho is +1.00" in alike
    assert "rho is -1.00 between the table's columns" in alike
    opposite = written(plain([(float(i), float(i)) for i in range(6)]))
    assert "rank the trials oppositely" in opposite
    assert "Spearman's rho is -1.00" in opposite
    chance = written(plain([(float(i), (7 * i) % 4) for i in range(8)]))
    assert "not shown to rank the trials alike or oppositely: the interval contains 0" in chance
    same = written(plain([(float(i), float(i)) for i in range(6)]), {"pag": "minimize", "score": "minimize"})
    assert "between the table's columns" not in same


def test_other_metrics_are_ranked_by_and_correlated_too_and_given_each_parameter_that_has_an_order():
    """Within a width, raw and pag have opposite orders; score is the raw one's opposite."""
    values = [
        (1.0, 4.0, 40),
        (2.0, 3.0, 40),
        (3.0, 2.0, 40),
        (11.0, 9.0, 40),
        (12.0, 8.0, 40),
        (13.0, 7.0, 40),
    ]
    records = [
        complete(
            i,
            {"pag": one, "score": -raw},
            {"base_channels": 8 if i < 3 else 16, "kind": "abc"[i % 3]} | ({"at_times": 1} if i % 2 else {}),
            metrics={"codes.raw": raw, "codes.n": n},
        )
        for i, (one, raw, n) in enumerate(values)
    ]
    ranking = rank(records, LOWEST, {"codes.raw": "minimize"})
    found = correlations(ranking)
    assert list(found) == [("pag", "score"), ("pag", "codes.raw"), ("score", "codes.raw")]
    assert {key for each in found.values() if each for key in each.partial} == {"base_channels"}
    apart, alike = found["pag", "codes.raw"], found["score", "codes.raw"]
    assert apart
    assert alike
    assert alike.rho == pytest.approx(1)
    assert alike.partial["base_channels"].rho == pytest.approx(1)
    assert apart.rho > 0
    assert apart.partial["base_channels"].rho == pytest.approx(-1)
    text = table(ranking, ["base_channels", "kind"], found, show=["codes.n"])
    assert "| base_channels | kind | pag (lowest) | score (highest) | raw (lowest) | n |" in text
    assert "| 1 | 0 | 8 | a | 1 | -4 (3) | 4 (3) | 40 |" in text
    assert "| Spearman's rho between | of all | given base_channels |" in text
    assert f"| pag and raw | {apart.rho:+.2f} ({apart.low:+.2f} to {apart.high:+.2f}) | -1.00 (" in text


def test_where_there_is_no_correlation_it_says_why():
    assert "2 complete trials have no order to compare" in written(plain([(1.0, 1.0), (2.0, 2.0)]))
    assert "1 complete trial has no order" in written([*plain([(1.0, 1.0)]), failed(7)])
    assert "the same for all complete trials" in written(plain([(float(i), 1.0) for i in range(4)]))
    assert "rank correlation" not in written(plain([1.0, 2.0]), {"pag": "minimize"})


def test_a_persons_pick_stands_beside_the_ranking():
    records = plain([(float(i), 10.0 - i) for i in range(4)])
    text = written(records, picks=[pick("best", 1, "crisp"), pick("worst", 3)])
    assert "| 2 | 1 | 1 | 1 | 9 (2) | picked as best |" in text
    assert (
        "ada picked trial 1 as the best (2026-01-02); of 4 it ranks 2 by pag and 2 by score. “crisp”" in text
    )
    assert "Of these two, pag ranks the best before the worst, score ranks the best before the worst." in text
    turned = written(records, picks=[pick("best", 3), pick("worst", 1)])
    assert "pag ranks the best after the worst" in turned


def test_names_are_as_short_as_they_are_unique():
    keys = ["train.optimizer.lr", "train.codes.lr", "train.model.base_channels", "lr"]
    assert list(short_names(keys).values()) == ["optimizer.lr", "codes.lr", "base_channels", "lr"]
    assert short_names(["a.b.c"]) == {"a.b.c": "c"}
    assert [number(each) for each in (1234, 1e-5, 0.123456, 54321.0, True, "adam", [1, 2])] == [
        *("1,234", "1e-05", "0.1235", "54,321", "true", "adam", "[1,2]")
    ]


@pytest.fixture(autouse=True)
def no_optuna(monkeypatch):
    """Optuna's pictures have tests of their own."""
    optunas = {"history.png": b"a picture"}, ["No slice.png: there is none here."]
    monkeypatch.setattr("preimage.tuning.plots.optuna_plots", lambda spec, records: optunas)


def picture(result, name):
    return np.asarray(Image.open(io.BytesIO(result.figures[name])).convert("L")).astype(float)


def test_a_report_writes_what_it_says_and_says_what_was_found(folder):
    spec = study()
    result = report(spec, trials(folder, spec, VALUES), [])
    drawn = {"gallery.png", "best-worst.png", "correlation.png", "history.png"}
    assert set(result.figures) == drawn
    assert result.table.endswith("No slice.png: there is none here.\n")
    found = result.metrics
    assert (found["trials"], found["complete"], found["failed"], found["stopped"]) == (4, 4, 0, 0)
    assert found["best_trial"] == 1
    assert found["best"] == {"agreement.pag": 1.0, "codes.reconstruction_error": 0.1}
    assert found["best_params"] == {"train.model.kernel_size": 3, "train.model.base_channels": 8}
    assert found["pareto_front"] == [1]
    assert found["correlation"]["pag and reconstruction_error"]["rho"] == pytest.approx(1.0)


def test_the_same_trials_in_any_order_give_the_same_report(folder):
    spec = study()
    records = trials(folder, spec, VALUES)
    first, second = report(spec, records, []), report(spec, records[::-1], [])
    assert first == second
    assert {"gallery.png", "best-worst.png", "correlation.png"} <= set(first.figures)


def test_best_and_worst_are_shown_and_a_pick_gets_a_line_of_its_own(folder):
    spec = study()
    records = trials(folder, spec, VALUES)
    alone = picture(report(spec, records, []), "best-worst.png")
    both = picture(report(spec, records, [pick("best", 2), pick("worst", 0)]), "best-worst.png")
    assert both.shape[0] > 1.8 * alone.shape[0]
    assert report(spec, records, [pick("best", 2)]).metrics["picked"] == {"best": 2}


def test_trials_without_samples_have_an_empty_place_and_the_rest_is_drawn(folder):
    spec = study()
    records = trials(folder, spec, VALUES)
    gone = [each.model_copy(update={"samples": f"{folder.uri}/nowhere/samples.png"}) for each in records]
    mixed = report(spec, [*records[:3], gone[3]], [])
    assert "gallery.png" in mixed.figures
    result = report(spec, gone, [])
    assert "gallery.png" not in result.figures
    assert "No gallery.png and no best-worst.png: no trial left a grid of samples." in result.table


@pytest.mark.parametrize("count", [0, 1])
def test_a_study_of_one_complete_trial_or_none_has_a_report_too(folder, count):
    spec = study()
    records = [*trials(folder, spec, VALUES[:count]), failed(5).model_copy(update={"params": {}})]
    result = report(spec, records, [])
    assert result.metrics["complete"] == count
    assert ("best_trial" in result.metrics) == bool(count)
    assert "best-worst.png" not in result.figures
    assert ("gallery.png" in result.figures) == bool(count)
    assert "no luck" in result.table
    assert "best-worst.png: " in result.table


def test_a_value_that_is_not_a_number_is_left_out_of_what_needs_one(folder):
    spec = study()
    result = report(spec, trials(folder, spec, [*VALUES[:3], (5.0, nan)]), [])
    assert result.metrics["correlation"]["pag and reconstruction_error"]["count"] == 3
    assert result.metrics["best_trial"] == 1
    endless = report(spec, trials(folder, spec, [*VALUES[:3], (inf, 0.5)]), [])
    assert endless.metrics["best_trial"] == 1


def test_one_objective_has_no_front_and_no_correlation(folder):
    spec = study()
    spec = replace(spec, objectives={"agreement.pag": "minimize"})
    result = report(spec, trials(folder, spec, [(3.0,), (1.0,)]), [])
    assert not {"pareto_front", "correlation"} & set(result.metrics)
    assert "correlation.png" not in result.figures
    assert "Pareto" not in result.table


def test_metrics_count_states():
    ranking = rank([failed(0), *plain([1.0])[0:0]], {"pag": "minimize"})
    assert metrics(ranking, {}, []) == {"trials": 1, "complete": 0, "stopped": 0, "failed": 1}
