"""What is asked follows from results alone: not from who was first, nor from interruptions."""

import random
from math import log10

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.specs.search_space import grid_points
from preimage.tuning.records import TrialRecord
from preimage.tuning.searcher import Searcher, visible_trials
from studies import GRID, LEARNING_RATES, study_of

NUMBERS = {
    "optimizer.lr": {"log-uniform": [1e-5, 1e-1]},
    "model.base_channels": {"int": [2, 64], "log": True},
}
TWO = {"generator_loss": "minimize", "discriminator_loss": "maximize"}
STUDIES = {
    "random": {"sampler": {"name": "random"}, "scheduler": {"name": "none"}},
    "tpe": {},
    "cma-es": {"sampler": {"name": "cma-es", "n_startup_trials": 3}, "space": NUMBERS},
    "several": {"objectives": TWO, "scheduler": {"name": "none"}},
}


def spec_of(tmp_path, name, parallel=3):
    return study_of(LEARNING_RATES | STUDIES[name] | {"trials": 16, "parallel": parallel}, tmp_path)


def result(spec, number, params):
    """A trial's record: of some function of its parameters; every fifth is stopped, one fails."""
    value = (log10(params["optimizer.lr"]) + 3) ** 2 + params.get("optimizer.momentum", 0.5)
    state = "failed" if number == 6 else "stopped" if number % 5 == 2 else "complete"
    return TrialRecord(
        number=number,
        params=params,
        state=state,
        values={name: value + i for i, name in enumerate(spec.objectives)} if state == "complete" else {},
        intermediate=((96, value),) if spec.scheduler.name != "none" else (),
    )


def run(spec, seed, restarts=0.0):
    """All parameters, trials ending in an order that the seed says, the driver dying now and then."""
    chance, records, searcher = random.Random(seed), {}, Searcher(spec)
    running = {}
    while len(records) < spec.trials:
        while len(running) < spec.parallel and (point := searcher.ask(records)) is not None:
            number = len(searcher.asked) - 1
            if number not in records:
                running[number] = point
        number = chance.choice(sorted(running))
        records[number] = result(spec, number, running.pop(number))
        if chance.random() < restarts:
            searcher, running = Searcher(spec), {}
    return [records[number].params for number in range(spec.trials)]


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_neither_the_order_of_endings_nor_interruptions_change_what_is_asked(tmp_path, name):
    spec = spec_of(tmp_path, name)
    plain = run(spec, 0)
    assert len({str(point) for point in plain}) > spec.trials // 2
    for seed in (1, 2):
        assert run(spec, seed) == plain
        assert run(spec, seed, restarts=0.4) == plain


@pytest.mark.parametrize("name", ["tpe", "cma-es"])
def test_results_change_what_is_asked_after_the_startup(tmp_path, name):
    spec, blind = spec_of(tmp_path, name, 1), spec_of(tmp_path, "random", 1)
    informed = run(spec, 0)
    searcher, records = Searcher(spec), {}
    for number in range(spec.trials):
        params = searcher.ask(records)
        record = result(spec, number, params)
        flipped = {key: -value for key, value in record.values.items()}
        records[number] = record.model_copy(update={"values": flipped})
    assert searcher.asked[:3] == informed[:3]
    assert searcher.asked != informed
    assert visible_trials(blind, 9) == range(0)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 15))
def test_a_trial_knows_all_but_the_last_so_many(tmp_path_factory, parallel, number):
    spec = spec_of(tmp_path_factory.getbasetemp(), "tpe", parallel)
    assert list(visible_trials(spec, number)) == list(range(number - parallel + 1))


def test_nobody_is_asked_for_before_its_results_are_there(tmp_path):
    spec = spec_of(tmp_path, "tpe", 2)
    searcher, records = Searcher(spec), {}
    first, second = searcher.ask(records), searcher.ask(records)
    assert first is not None
    assert second is not None
    assert searcher.ask(records) is None
    records[1] = result(spec, 1, second)
    assert searcher.ask(records) is None, "trial 2 knows trial 0"
    records[0] = result(spec, 0, first)
    assert searcher.ask(records) is not None
    assert searcher.ask(records) is not None
    assert searcher.ask(records) is None


def test_a_grid_is_asked_for_at_once_each_point_once_in_an_order_of_its_seed(tmp_path):
    orders = []
    for seed in (0, 0, 1):
        spec = study_of(GRID, tmp_path, f"sampler.seed={seed}")
        searcher = Searcher(spec)
        while searcher.ask({}) is not None:
            pass
        orders.append(searcher.asked)
        assert sorted(map(str, searcher.asked)) == sorted(map(str, grid_points(spec.space)))
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_choices_may_be_lists_and_mappings(tmp_path):
    optimizers = [{"name": "adam", "lr": 1e-3}, {"name": "sgd", "lr": 0.1}]
    space = {"optimizer": {"choice": optimizers}}
    for sampler in ("grid", "tpe"):
        changes = [] if sampler == "grid" else ["trials=8"]
        spec = study_of(GRID | {"space": space, "sampler": {"name": sampler}}, tmp_path, *changes)
        searcher = Searcher(spec)
        found = [
            (searcher.ask({0: result_of(0)} if number else {}) or {})["optimizer"] for number in range(2)
        ]
        assert all(each in optimizers for each in found)


def result_of(number):
    values = {"generator_loss": 1.0, "discriminator_loss": 1.0}
    return TrialRecord(number=number, params={}, state="complete", values=values)


def test_a_record_of_other_parameters_counts_and_is_said(tmp_path, caplog):
    spec = spec_of(tmp_path, "random")
    other = {"optimizer.lr": 1e-3, "optimizer.name": "adam"}
    searcher = Searcher(spec)
    assert searcher.ask({0: result(spec, 0, other)}) == other
    assert "trial 0 ran with" in caplog.text
    assert "perhaps because Optuna's version changed" in caplog.text


def test_a_stopped_trial_is_told_with_its_metric_turned_where_its_best_is_the_objectives_worst(tmp_path):
    spec = spec_of(tmp_path, "tpe", 1)
    told = []
    for negate_metric in (False, True):
        searcher, records = Searcher(spec, negate_metric), {}
        for number in range(4):
            records[number] = result(spec, number, searcher.ask(records))
        trial = searcher._study.get_trials()[2]
        assert trial.state.name == "PRUNED"
        told.append(trial.intermediate_values[96])
    assert told[0] == -told[1] != 0
