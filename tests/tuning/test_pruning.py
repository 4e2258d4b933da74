"""The rules against Optuna's own pruners, on any curves; and a training that is asked."""

import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.runs.run_folder import RunFolder
from preimage.specs.search import SchedulerConfig
from preimage.tuning.pruning import Others, Rule, StopTraining
from preimage.tuning.records import TrialRecord

optuna.logging.set_verbosity(optuna.logging.ERROR)
STEPS = (40, 100, 150, 200, 320, 450, 900)  # none passes two rungs of 100 x 2, 3 or 4 to a power
NUMBERS = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.nan])
TRIALS = st.lists(st.lists(NUMBERS, min_size=1, max_size=len(STEPS)), min_size=1, max_size=12)


def by_optuna(pruner, direction, trials):
    """For each trial in turn, at which step Optuna's own pruner gives it up; None where it does not."""
    study = optuna.create_study(pruner=pruner, direction=direction)
    stops = []
    for values in trials:
        trial, stop = study.ask(), None
        for step, value in zip(STEPS, values, strict=False):
            trial.report(value, step)
            if trial.should_prune():
                stop = step
                break
        state = optuna.trial.TrialState.PRUNED if stop else optuna.trial.TrialState.COMPLETE
        study.tell(trial, None if stop else 0.0, state=state)
        stops.append(stop)
    return stops


def by_rule(config, lowest, trials):
    stops, records = [], []
    for number, values in enumerate(trials):
        rule = Rule(config, lowest, Others.of(records))
        curve, reason = rule.cut(list(zip(STEPS, values, strict=False)))
        state = "stopped" if reason else "complete"
        records.append(TrialRecord(number=number, params={}, state=state, intermediate=tuple(curve)))
        stops.append(curve[-1][0] if reason else None)
    return stops


@settings(max_examples=200, deadline=None)
@given(TRIALS, st.booleans(), st.integers(2, 4))
def test_asha_gives_up_what_optunas_successive_halving_gives_up(trials, lowest, factor):
    config = SchedulerConfig(name="asha", metric="loss", min_resource=100, reduction_factor=factor)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=100, reduction_factor=factor)
    direction = "minimize" if lowest else "maximize"
    assert by_rule(config, lowest, trials) == by_optuna(pruner, direction, trials)


@pytest.mark.filterwarnings("ignore:All-NaN")
@settings(max_examples=200, deadline=None)
@given(TRIALS, st.booleans(), st.integers(1, 4))
def test_median_gives_up_what_optunas_median_pruner_gives_up(trials, lowest, startup):
    config = SchedulerConfig(name="median", metric="loss", min_resource=100, n_startup_trials=startup)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=100)
    direction = "minimize" if lowest else "maximize"
    assert by_rule(config, lowest, trials) == by_optuna(pruner, direction, trials)


def rule(*curves, name="asha"):
    config = SchedulerConfig(name=name, metric="loss", min_resource=100, reduction_factor=2)
    return Rule(config, True, Others(curves, curves))


def test_a_trial_that_is_given_up_says_why():
    [curve, reason] = rule([(100, 1.0)], [(100, 3.0)], [(100, 2.0)]).cut([(50, 9.0), (100, 2.5), (200, 0.0)])
    assert curve == [(50, 9.0), (100, 2.5)]
    assert reason == "loss 2.5 at 100 images: place 3 of 4 at the rung of 100, which the best 2 pass"
    others = [[(100, 1.0)], [(100, 2.0)], [(100, 6.0)]]
    assert rule(*others, name="median").reason([(50, 3.0), (100, 4.0)]) == (
        "loss 3 at best up to 100 images: worse than 2, the median of 3 trials at this point"
    )


def test_trials_of_other_batches_are_compared_though_they_record_at_other_images():
    others = [[(96, 1.0), (192, 1.0)], [(90, 2.0), (180, 2.0)], [(96, 3.0), (144, 0.0)]]
    assert "worse than 1.5, the median of 2 trials" in str(rule(*others, name="median").reason([(150, 4.0)]))


def test_a_training_that_was_interrupted_stops_where_it_would_have(folder):
    """Records from before the interruption count: a rung that was passed is not asked for again."""
    run = RunFolder(folder)
    strict = rule([(100, 1.0), (200, 0.1)])
    run.record(100, {"loss": 0.5})
    assert StopTraining(strict, run)(100, {"loss": 0.5}) is None
    run.record(150, {"loss": 5.0})
    resumed = StopTraining(strict, run)
    assert resumed(150, {"loss": 5.0}) is None, "the rung of 100 was passed at 100"
    assert "at the rung of 200" in str(resumed(210, {"loss": 5.0}))


def test_records_without_the_metric_change_nothing(folder):
    stop = StopTraining(rule([(100, 1.0)]), RunFolder(folder))
    assert stop(100, {"score": 9.0}) is None
    assert "place 2 of 2" in str(stop(110, {"loss": 9.0}))
