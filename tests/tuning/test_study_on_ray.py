"""Studies on a real Ray Tune: the same trials as in this process, whoever dies on the way."""

import subprocess
import sys
from contextlib import ExitStack

import pytest

from faulty import kill, meanwhile, wait_for
from preimage.errors import PreimageError
from preimage.runs.run_folder import RunFolder
from preimage.storage.claims import claimed
from preimage.tuning.on_ray import _Searcher
from preimage.tuning.queue import Queue
from preimage.tuning.records import read_records, write_record
from preimage.tuning.searcher import Searcher
from preimage.tuning.study import run_study
from preimage.tuning.trial import plan_trial
from studies import GRID, LEARNING_RATES, PIPELINE, planned, same, text_of

pytestmark = pytest.mark.ray
ON_RAY = "trial.resources.backend=ray"


def records_of(plan):
    return read_records(plan.run.folder)


def table_of(plan):
    return plan.run.figures.read("table.md").decode()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """TPE and ASHA, which look back at results, in one process, without Ray."""
    plan = planned(LEARNING_RATES, tmp_path_factory.mktemp("rates"), "parallel=2")
    run_study(plan)
    return plan


@pytest.mark.faults
@pytest.mark.long
def test_a_study_whose_driver_was_killed_ends_as_an_undisturbed_one(undisturbed, tmp_path):
    plan = planned(LEARNING_RATES, tmp_path / "results", ON_RAY, "parallel=2")
    file = tmp_path / "tiny.yaml"
    file.write_text(text_of(LEARNING_RATES, tmp_path / "results"))
    command = [sys.executable, "-m", "preimage", "run", str(file), ON_RAY, "parallel=2"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(records_of(plan)) >= 2, seconds=120)
    driver.kill()
    driver.wait()
    assert not plan.run.outcome()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert plan.run.outcome()
    assert same(records_of(plan)) == same(records_of(undisturbed))
    assert table_of(plan) == table_of(undisturbed)
    assert not plan.run.folder.exists("ray"), "Tune's own files are gone"


@pytest.mark.faults
@pytest.mark.long
def test_a_killed_worker_is_replaced_and_its_trial_goes_on(ray, tmp_path):
    longer = ["trial.training.total_images=24000", "trial.training.checkpoint_every=2400"]
    spec = GRID | {"space": {"model.kernel_size": {"choice": [3, 4]}}}
    plan = planned(spec, tmp_path, ON_RAY, "parallel=2", *longer)
    killed: set[int] = set()

    def kill_worker() -> bool:
        for name in (plan.root / "runs").names():
            state = RunFolder(plan.root / "runs" / name).progress()
            if state and 2_400 < state["done"] < 20_000:
                kill(state["pid"])
                killed.add(state["pid"])
                return True
        return False

    with meanwhile(kill_worker) as done:
        outcome = run_study(plan)
    assert done, "the worker was too quick to be killed"
    assert outcome.metrics["complete"] == 2


@pytest.mark.faults
@pytest.mark.long
def test_trials_of_two_workers_never_wait_for_each_other(ray, tmp_path):
    """On two cores: no more trials at once than there is room for, each with both its workers, on Ray Train
    for the training and as tasks for the inversion."""
    spec = {
        "trial": PIPELINE | {"resources": {"backend": "ray", "workers": 2, "gpu": False}},
        "space": {"train.model.kernel_size": {"choice": [3, 4]}},
        "objectives": {"prior.pag": "minimize"},
        "sampler": {"name": "grid"},
        "parallel": 2,
    }
    plan = planned(spec, tmp_path)
    assert run_study(plan).metrics["complete"] == 2


def test_a_trial_whose_process_keeps_dying_fails_in_its_record(tmp_path):
    plan = planned(GRID, tmp_path)
    queue, told = Queue(plan.study, Searcher(plan.spec), [], most=1), []

    def over(record):
        queue.done(record)
        told.append(record)

    searcher = _Searcher(queue, over)
    assert (searcher.suggest("a") or {})["number"] == 0
    assert searcher.suggest("b") is None
    searcher.on_trial_complete("a", error=True)
    assert read_records(plan.run.folder) == told
    assert (told[0].state, told[0].params) == ("failed", queue.searcher.asked[0])
    assert "resources.max_failures" in told[0].error
    assert (searcher.suggest("b") or {})["number"] == 1
    kept = told[0].model_copy(update={"number": 1, "state": "stopped", "params": queue.searcher.asked[1]})
    write_record(plan.run.folder, kept)
    searcher.on_trial_complete("b", error=True)
    assert told[1] == kept, "its process died after it had kept its record"


def test_a_trial_that_can_never_be_held_is_refused(ray, tmp_path):
    with pytest.raises(PreimageError, match="CPUs"):
        run_study(planned(GRID, tmp_path, ON_RAY, "trial.resources.cpus_per_worker=999"))


def test_trials_give_their_cores_back_while_another_job_makes_what_they_need(ray, tmp_path, caplog):
    """Every core is the trials', and the job that makes their training needs cores to end."""
    import ray as cluster

    spec = GRID | {"space": {"model.kernel_size": {"choice": [3, 4]}}, "parallel": 2}
    cores = int(cluster.cluster_resources()["CPU"])
    plan = planned(spec, tmp_path, ON_RAY, f"trial.resources.cpus_per_worker={max(1, cores // 2)}")
    asked = Searcher(plan.spec)
    trials = [plan_trial(plan.study, number, asked.ask({}) or {}) for number in range(plan.spec.trials)]
    made = {trial.steps[0].run.name: trial.steps[0].run.folder for trial in trials}
    with ExitStack() as theirs:
        for folder in made.values():
            theirs.enter_context(claimed(folder))

        def make_way() -> bool:
            waits = caplog.text.count("holds no worker meanwhile") >= len(trials)
            if waits and cluster.available_resources().get("CPU") == cores:
                theirs.close()
                return True
            return False

        with meanwhile(make_way) as made_way:
            outcome = run_study(plan)
    assert made_way
    assert outcome.metrics["complete"] == len(trials) == 2
