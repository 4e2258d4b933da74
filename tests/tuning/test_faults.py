"""A study on several nodes, broken on purpose: the records and the table of one that nothing disturbed."""

import pytest

from faulty import meanwhile
from nodes import Stopwatch, alive, nodes, workers_on
from preimage.runs.run_folder import RunFolder
from preimage.tuning.records import read_records
from preimage.tuning.study import run_study
from studies import LEARNING_RATES, planned, same

pytestmark = pytest.mark.faults
LONGER = (
    "trials=6",
    "trial.model.base_channels=12",
    "trial.training.total_images=9600",
    "trial.training.log_every=960",
    "trial.training.sample_every=4800",
    "trial.training.checkpoint_every=960",
    "scheduler.min_resource=4800",
)
"""Trials long enough to be broken half way; the scheduler gives some up."""


def records_of(plan):
    return read_records(plan.run.folder)


def table_of(plan):
    return plan.run.figures.read("table.md").decode()


@pytest.mark.long
def test_a_study_one_of_whose_nodes_dies_ends_as_an_undisturbed_one(monkeypatch, tmp_path):
    """Two nodes for trials, chosen by TPE and given up by ASHA; one is killed at work, as by a power cut."""
    undisturbed = planned(LEARNING_RATES, tmp_path / "undisturbed", *LONGER)
    run_study(undisturbed)
    assert {each.state for each in records_of(undisturbed)} == {"complete", "stopped"}

    with nodes(monkeypatch, [0, 1, 1]) as (cluster, _, *others):
        plan, watch = (
            planned(LEARNING_RATES, tmp_path / "broken", "trial.resources.backend=ray", *LONGER),
            Stopwatch(),
        )
        broken = []

        def kill_node() -> bool:
            if not records_of(plan):
                return False
            for node in others:
                for run in trainings_on(node, plan):
                    broken.extend(run)
                    watch.start()
                    cluster.remove_node(node, allow_graceful=False)
                    return True
            return False

        def see_it() -> bool:
            return bool(broken) and alive() == 2 and bool(watch.mark("the node was known to be dead"))

        def see_it_go_on() -> bool:
            return bool(broken) and moved(*broken) and bool(watch.mark("its trial went on elsewhere"))

        with meanwhile(see_it), meanwhile(see_it_go_on) as went_on, meanwhile(kill_node) as killed:
            run_study(plan)
        assert killed, "the study was over before the node could be killed"
        watch.mark("the study was over")
    assert went_on
    assert same(records_of(plan)) == same(records_of(undisturbed))
    assert table_of(plan) == table_of(undisturbed)


def trainings_on(node, plan) -> list[tuple[RunFolder, int]]:
    """The trials that a node is in the middle of: their runs, and the processes at them."""
    here = {each.pid for each in workers_on(node)}
    runs = [RunFolder(plan.root / "runs" / name) for name in (plan.root / "runs").names() if "train" in name]
    states = [(run, run.progress()) for run in runs]
    return [
        (run, state["pid"])
        for run, state in states
        if state and 0 < state["done"] < 9_600 and state["pid"] in here
    ]


def moved(run: RunFolder, pid: int) -> bool:
    state = run.progress()
    return bool(run.outcome()) or bool(state and state["pid"] != pid)
