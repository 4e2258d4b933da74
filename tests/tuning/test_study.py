"""Whole studies in this process: what is run, what is kept, and what a resumed one does."""

import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import optuna
import pytest

from faulty import wait_for
from preimage.errors import PreimageError, StorageError
from preimage.tracking.tracker import JsonLines, RunDeleted
from preimage.tuning.describe import summarize
from preimage.tuning.plan import plan_study, shared_steps
from preimage.tuning.records import read_records
from preimage.tuning.study import run_study
from preimage.tuning.trial import run_trial
from studies import GRID, LEARNING_RATES, PIPELINE, planned, same, text_of


def records_of(plan):
    return read_records(plan.run.folder)


def table_of(plan):
    return plan.run.figures.read("table.md").decode()


def names(plan):
    return sorted((plan.root / "runs").names())


def watched(plan):
    """The study as Optuna's dashboard opens it."""
    backend = optuna.storages.journal.JournalFileBackend(str(plan.run.folder.local / "optuna.log"))
    return optuna.load_study(study_name=plan.run.name, storage=optuna.storages.JournalStorage(backend))


SEEN = []
"""What somebody saw who watched the study of `grid`: all trials, each time that one ran."""


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    plan = planned(GRID, tmp_path_factory.mktemp("grid"))

    def seen(*arguments):
        SEEN.append(watched(plan).trials)
        return run_trial(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preimage.tuning.study.run_trial", seen)
        return plan, run_study(plan)


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    plan = planned(LEARNING_RATES, tmp_path_factory.mktemp("rates"))
    return plan, run_study(plan)


def test_a_grid_study_runs_every_point_once_and_ranks_the_trials(grid):
    plan, outcome = grid
    records = records_of(plan)
    assert [each.number for each in records] == list(range(6))
    assert len({str(each.params) for each in records}) == 6
    assert all(
        "optimizer.momentum" not in each.params for each in records if each.params["optimizer.name"] == "adam"
    )
    assert {each.state for each in records} == {"complete"}
    assert all(each.values == {name: each.metrics[name] for name in GRID["objectives"]} for each in records)
    best = min(records, key=lambda each: each.values["generator_loss"])
    assert (outcome.job, outcome.metrics["best_trial"]) == ("study", best.number)
    assert all(each.samples and each.samples.endswith("samples.png") for each in records)
    assert records[0].cost["generator evaluations"] == 960
    watch, asked, browse, again = (shlex.split(command) for command, _ in summarize(plan, outcome).commands)
    where = ["--results", plan.spec.results]
    assert asked == ["preimage", "study", "pick", plan.run.name, str(best.number), "best", *where]
    assert watch == ["preimage", "ui", "--optuna", plan.run.name, *where]
    assert browse == ["preimage", "browse", records[best.number].run, *where]
    assert again == ["preimage", "run", records[best.number].run, *where]


def test_a_finished_study_is_not_run_again(grid):
    plan, outcome = grid
    before = names(plan)
    assert run_study(planned(GRID, plan.root.path)).plain() == outcome.plain()
    assert names(plan) == before


def test_a_finished_study_reports_again_on_other_metrics_without_another_trial(grid, monkeypatch):
    plan, outcome = grid
    monkeypatch.setattr("preimage.tuning.study._run_trials", None)
    metric = min(set(records_of(plan)[0].metrics) - set(GRID["objectives"]))
    other = plan_study(replace(plan.spec, show=(metric,)))
    assert other.run.name == plan.run.name
    again = run_study(other)
    assert f" {metric} |" in table_of(plan)
    assert again.metrics == outcome.metrics
    assert run_study(plan).plain() == outcome.plain()
    assert metric not in table_of(plan)


def test_optuna_opens_the_study(grid, rates):
    for plan, _ in (grid, rates):
        study = watched(plan)
        states = {"complete": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}
        records = records_of(plan)
        assert [each.state.name for each in study.trials] == [states[each.state] for each in records]
        assert [each.params for each in study.trials] == [each.params for each in records]
        assert [each.intermediate_values for each in study.trials] == [
            dict(each.intermediate) for each in records
        ]
        for trial, record in zip(study.trials, records, strict=True):
            if record.state == "complete":
                assert trial.values == list(record.values.values())
            assert trial.user_attrs["run"] == record.run


def test_optuna_sees_trials_that_run_and_those_that_wait(grid):
    for number, (trials, record) in enumerate(zip(SEEN, records_of(grid[0]), strict=True)):
        states = [each.state.name for each in trials]
        assert states == ["COMPLETE"] * number + ["RUNNING"] + ["WAITING"] * (5 - number)
        assert trials[number].params == record.params


def test_a_torn_record_is_of_a_trial_that_is_run_again(grid, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("preimage.tuning.plots.optuna_plots", lambda spec, records: ({}, []))
    shutil.copytree(grid[0].root.path, tmp_path / "results")
    plan, trials = (
        planned(GRID, tmp_path / "results"),
        tmp_path / "results/runs" / grid[0].run.name / "trials",
    )
    whole = (trials / "0002.json").read_bytes()
    for torn in (b"", whole[:100], bytes(len(whole))):
        (trials / "0002.json").write_bytes(torn)
        assert [each.number for each in records_of(plan)] == [0, 1, 3, 4, 5]
    with monkeypatch.context() as patch:
        patch.setattr("preimage.training.fit.train", None)  # its run is finished: no training
        assert run_study(plan).metrics["complete"] == 6
    assert same(records_of(plan)) == same(records_of(grid[0]))
    assert caplog.text.count("0002.json is not JSON") == 1
    (trials / "0002.json").write_text('{"number": "two"}')
    with pytest.raises(StorageError, match=r"0002.json is not the record of a trial .* Remove it"):
        run_study(plan)


def test_asha_stops_trials_at_rungs_and_the_rest_come_to_their_end(rates):
    plan, outcome = rates
    records = records_of(plan)
    stopped = [each for each in records if each.state == "stopped"]
    assert 0 < len(stopped) < len(records)
    for each in stopped:
        assert each.intermediate[-1][0] in (96, 192, 384)
        assert "at the rung of" in str(each.error)
        assert not each.values
        assert each.samples
    assert outcome.metrics["stopped"] == len(stopped)


@pytest.mark.parametrize(("spec", "after"), [(GRID, 2), (LEARNING_RATES, 5)], ids=["grid", "tpe and asha"])
def test_a_study_whose_driver_was_killed_ends_as_an_undisturbed_one(grid, rates, tmp_path, spec, after):
    undisturbed, _ = grid if spec is GRID else rates
    plan = planned(spec, tmp_path / "results")
    file = tmp_path / "tiny.yaml"
    file.write_text(text_of(spec, tmp_path / "results"))
    command = [sys.executable, "-m", "preimage", "run", str(file)]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(records_of(plan)) >= after)
    driver.kill()
    driver.wait()
    done = len(records_of(plan))
    assert done < plan.spec.trials
    assert not plan.run.outcome()
    kept = {
        name: plan.run.folder.modified_ms(f"trials/{name}") for name in (plan.run.folder / "trials").names()
    }
    run_study(plan)
    assert all(plan.run.folder.modified_ms(f"trials/{name}") == at for name, at in kept.items())
    assert same(records_of(plan)) == same(records_of(undisturbed))
    assert table_of(plan) == table_of(undisturbed)


def test_more_trials_go_on_where_a_study_ended(rates, tmp_path):
    undisturbed, _ = rates
    short = planned(LEARNING_RATES, tmp_path, "trials=6")
    run_study(short)
    longer = planned(LEARNING_RATES, tmp_path)
    assert longer.run == short.run
    assert run_study(longer).metrics["trials"] == 10
    assert same(records_of(longer)) == same(records_of(undisturbed))


FAILING = GRID | {
    "space": {"optimizer.lr": {"choice": [2e-4, 1e30]}},
    "objectives": {"generator_loss": "minimize"},
}


def test_a_failing_trial_is_recorded_and_the_others_go_on(tmp_path):
    plan = planned(FAILING, tmp_path)
    outcome = run_study(plan)
    records = {each.params["optimizer.lr"]: each for each in records_of(plan)}
    assert records[2e-4].state == "complete"
    assert (records[1e30].state, records[1e30].values) == ("failed", {})
    assert "finite" in str(records[1e30].error)
    assert (outcome.metrics["complete"], outcome.metrics["failed"]) == (1, 1)
    assert str(records[1e30].error).split(".")[0][:30] in table_of(plan)


def test_a_study_of_which_every_trial_fails_fails_and_failed_trials_run_again_when_asked(
    tmp_path, monkeypatch
):
    plan = planned(GRID, tmp_path)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such luck")

    with monkeypatch.context() as patch:
        patch.setattr("preimage.tuning.trial.execute", broken)
        with pytest.raises(PreimageError, match=r"none of 6 trials is complete.*RuntimeError: no such luck"):
            run_study(plan)
    assert all("in broken" in str(each.traceback) for each in records_of(plan))
    with pytest.raises(PreimageError, match="retry-failed"):
        run_study(plan)
    assert run_study(plan, retry_failed=True).metrics["complete"] == 6


class Tidied(JsonLines):
    """A tracker in which runs can be deleted."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.deleted, self.parents = [], {}

    def begin(self, key, name, tags, parent):
        run_id = f"{key}-{sum(each.startswith(key) for each in self.deleted)}"
        self.parents[run_id] = parent
        return super().begin(run_id, name, tags, parent)

    def resume(self, run_id, parent):
        if run_id in self.deleted:
            raise RunDeleted(f"{run_id} was deleted.", run_id)
        self.parents[run_id] = parent or self.parents[run_id]

    def end(self, run_id, status):
        self.resume(run_id, None)
        super().end(run_id, status)


def test_a_study_that_was_deleted_in_the_tracker_comes_back_with_its_trials(grid, monkeypatch):
    plan, _ = grid
    plan = planned(GRID, plan.root.path, tracking="jsonl")
    tracker = Tidied(plan.root / "tidied")
    for place in ("tuning.study", "tuning.trial", "pipelines.execute"):
        monkeypatch.setattr(f"preimage.{place}.open_tracker", lambda *_: tracker)
    run_study(plan)  # tells this tracker of all
    tracker.deleted = [run_id for run_id in tracker.parents if run_id.startswith(plan.run.about()["key"])]
    a_trial = next(run_id for run_id, parent in tracker.parents.items() if parent)
    tracker.deleted += [a_trial]
    plan.run.folder.remove("outcome.json")  # as if it had been stopped before its end
    outcome = run_study(plan)
    active = {run_id: parent for run_id, parent in tracker.parents.items() if run_id not in tracker.deleted}
    assert len(active) == 1 + 6
    assert list(active.values()).count(outcome.mlflow_run_id) == 6
    assert outcome.mlflow_run_id == plan.run.about()["mlflow_run_id"] in active
    ends = [tracker._lines(run_id)[-1] for run_id in active]
    assert set(ends) == {'{"end": "FINISHED"}'}


def test_what_all_trials_share_is_run_once_before_them(tmp_path):
    spec = {
        "trial": PIPELINE,
        "space": {"codes.inversion.steps": {"choice": [3, 6]}},
        "objectives": {"codes.reconstruction_error": "minimize"},
        "sampler": {"name": "grid"},
    }
    plan = planned(spec, tmp_path)
    assert [step.name for step in shared_steps(plan)] == ["train"]
    run_study(plan)
    kinds = [name.rsplit("-", 1)[0] for name in names(plan)]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "train-gan": 1,
        "invert": 2,
        "pag": 2,
        "pipeline": 2,
        "study": 1,
    }
    for record in records_of(plan):
        assert record.run.startswith("pipeline-")
        assert record.values == {"codes.reconstruction_error": record.metrics["codes.reconstruction_error"]}


def test_trials_that_are_the_same_are_run_once(tmp_path):
    spec = GRID | {
        "space": {"model.kernel_size": {"choice": [3, 4]}},
        "sampler": {"name": "random"},
        "trials": 5,
    }
    plan = planned(spec, tmp_path)
    run_study(plan)
    records = records_of(plan)
    assert len(records) == 5
    assert len({each.run for each in records}) == 2
    by_run = {each.run: each.values for each in records}
    assert all(each.values == by_run[each.run] for each in records)


def test_the_fingerprint_is_of_what_decides_the_results(tmp_path):
    plain = planned(LEARNING_RATES, tmp_path).run.name
    for change in ("trials=20", "trial.resources.cpus_per_worker=2", "name=other"):
        assert planned(LEARNING_RATES, tmp_path, change).run.name == plain, change
    for change in (
        "sampler.seed=1",
        "parallel=3",
        "scheduler.min_resource=48",
        "space.optimizer.lr.log-uniform=[1.0e-4, 1.0e-2]",
        "trial.training.batch_size=20",
        "trial.model.base_channels=5",
        "trial.optimizer.momentum=0.5",
    ):
        assert planned(LEARNING_RATES, tmp_path, change).run.name != plain, change
    grid = planned(GRID, tmp_path).run.name
    assert planned(GRID, tmp_path, "parallel=3").run.name == grid, "a grid looks back at nothing"


def test_a_study_may_vary_what_a_pipeline_repeats(tmp_path):
    """What no key touches is done once; the rounds, which differ, in each trial."""
    trial = PIPELINE | {
        "repeat": {
            "fit": {"job": "fit-prior", "store": "codes", "kind": "gaussian"},
            "prior": {"job": "pag", "store": "codes", "prior": "fit"},
        },
        "repeat_while_improving": "prior.pag",
    }
    spec = {
        "trial": trial,
        "space": {"fit.kind": {"choice": ["gaussian", "diagonal"]}},
        "objectives": {"prior-1.pag": "minimize"},
        "sampler": {"name": "grid"},
    }
    plan = planned(spec, tmp_path)
    run_study(plan)
    found = {each.params["fit.kind"]: each.values["prior-1.pag"] for each in records_of(plan)}
    assert found["gaussian"] < found["diagonal"]
    assert [name.startswith("train-gan") for name in names(plan)].count(True) == 1
