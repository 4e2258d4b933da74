"""One trial: its record, whatever becomes of it, and who waits for whom."""

import math

import mlflow
import pytest

from preimage.jobs.base import Result
from preimage.jobs.pag.job import PagJob
from preimage.pipelines.execute import execute
from preimage.pipelines.progress import Silent
from preimage.runs.run_folder import RunFolder
from preimage.specs.objectives import reports_of
from preimage.tuning.queue import Queue
from preimage.tuning.records import TrialRecord, read_records, write_record
from preimage.tuning.searcher import Searcher
from preimage.tuning.study import register_study, run_study, with_images
from preimage.tuning.trial import plan_trial, run_trial
from studies import GRID, JOB, LEARNING_RATES, PIPELINE, planned

STEPS = {"codes.inversion.steps": {"choice": [3, 6]}, "train.model.kernel_size": {"choice": [3, 4]}}
SHARING = {
    "trial": PIPELINE,
    "space": STEPS,
    "objectives": {"prior.pag": "minimize"},
    "sampler": {"name": "grid"},
}


def begun(study, results, *changes):
    """A study as its trials find it."""
    plan = planned(study, results, *changes)
    register_study(plan)
    return with_images(plan, Silent())


def test_what_jobs_declare_is_what_their_runs_report(tmp_path):
    """So that an objective that is accepted is there in the end."""
    images, model = JOB["data"], {"latent_dim": 4, "kernel_size": 4, "base_channels": 4}
    loop = JOB["training"] | {"total_images": 96}
    training = {"data": images, "model": model, "training": loop}
    steps = {
        "classes": {
            "job": "train-classifier",
            "data": images,
            "training": loop,
            "model": {"base_channels": 4},
        },
        "train": {"job": "train-gan", **training, "score": {"classifier": "classes", "images": 20}},
        "dfm": {"job": "train-dfm", **training, "denoiser": {"depth": 2}},
        "glo": {"job": "train-glo", **training},
        "auto": {"job": "train-autoencoder", **training},
        "codes": {"job": "invert", "generator": "train", "inversion": {"steps": 3}},
        "prior": {"job": "pag", "store": "codes"},
        "score": {
            "job": "evaluate",
            "generators": {"GAN": "train", "both": ["train", "dfm"]},
            "classifier": "classes",
            "images": 40,
            "splits": 2,
        },
    }
    spec = SHARING | {
        "trial": {"resources": {"backend": "local", "gpu": False}, "steps": steps},
        "space": {"glo.seed": {"choice": [0]}},
    }
    plan = begun(spec, tmp_path)
    declared = set(reports_of(plan.base.spec))
    record = run_trial(plan.study, 0, {})
    assert record.error is None
    assert declared <= set(record.metrics), sorted(declared - set(record.metrics))


def test_a_trials_run_is_its_studys_child_in_mlflow_and_shows_its_samples(tmp_path):
    plan = planned(SHARING | {"space": {"codes.seed": {"choice": [0, 1]}}}, tmp_path, tracking="local")
    outcome = run_study(plan)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    study = client.get_run(str(outcome.mlflow_run_id))
    runs = client.search_runs([study.info.experiment_id])
    parent = {each.info.run_name: each.data.tags.get("mlflow.parentRunId") for each in runs}
    assert study.data.tags["preimage.job"] == "study"
    assert parent["train-gan digits w4 d4"] == study.info.run_id, "shared by all trials"
    named = {each.data.tags["preimage.name"]: each for each in runs}
    trials = [named[f"tiny-{number:04d}"] for number in range(2)]
    for number, trial in enumerate(trials):
        assert trial.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert trial.info.run_name == f"{number} seed={trial.data.params['codes.seed']}"
    history = client.get_metric_history(study.info.run_id, "prior.pag")
    trial = trials[-1]
    values = [trial.data.metrics["prior.pag"], study.data.metrics["best.prior.pag"]]
    assert [each.step for each in history] == [0, 1]
    assert history[1].value == values[0]
    assert min(each.value for each in history) == values[1]
    assert outcome.headlines == {"best_trial": outcome.metrics["best_trial"], "best.prior.pag": values[1]}
    note = study.data.tags["mlflow.note.content"]
    assert note.index("best_trial **") < note.index("figures%2Fsmall%2Fgallery.png") < note.index("| rank |")
    assert {each.dataset.name for each in study.inputs.dataset_inputs} == {"digits train"}
    children = [each for each in runs if parent[each.info.run_name] == trial.info.run_id]
    assert {each.info.status for each in (study, trial, *children)} == {"FINISHED"}
    files = {each.path for each in client.list_artifacts(trial.info.run_id, "figures")}
    assert "figures/train.samples.png" in files
    assert "figures/table.md" in {each.path for each in client.list_artifacts(study.info.run_id, "figures")}


def test_an_objective_that_is_no_number_fails_the_trial(tmp_path, monkeypatch):
    plan = begun(SHARING, tmp_path)
    params = {"codes.inversion.steps": 3, "train.model.kernel_size": 3}
    for value, error in ((float("nan"), "prior.pag is nan"), ("high", "has no prior.pag")):
        with monkeypatch.context() as patch:
            patch.setattr(PagJob, "run", lambda *_, value=value: Result({"pag": value}))
            record = run_trial(plan.study, 0, params)
        assert (record.state, record.values) == ("failed", {})
        assert error in str(record.error)
        for name in (plan.root / "runs").names():
            if name.startswith(("pag", "pipeline")):
                (plan.root / "runs" / name).delete()
    assert read_records(plan.run.folder) == [record]


def test_a_trial_that_no_plan_can_be_made_of_fails_in_its_record(tmp_path):
    plan = planned(GRID, tmp_path)
    record = run_trial(plan.study, 3, {"model.kernel_size": 0})
    assert (record.number, record.state, record.run) == (3, "failed", None)
    assert "tiny-0003" in str(record.error)


def test_ctrl_c_ends_the_study_and_not_the_trial(tmp_path, monkeypatch):
    plan = planned(GRID, tmp_path)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("preimage.tuning.trial.execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(plan)
    assert read_records(plan.run.folder) == []
    assert not plan.run.outcome()


def test_a_training_that_went_further_for_another_study_stops_where_it_would_have(tmp_path):
    plan = begun(LEARNING_RATES, tmp_path, "parallel=1")
    params = {"optimizer.lr": 1e-3, "optimizer.name": "adam"}
    for number in range(4):
        better = TrialRecord(number=number, params={}, state="complete", intermediate=((96, 0.0), (192, 0.0)))
        write_record(plan.run.folder, better)
    fresh = run_trial(plan.study, 4, params)
    assert (fresh.state, [images for images, _ in fresh.intermediate]) == ("stopped", [48, 96])
    execute(plan_trial(plan.study, 4, params))  # to its end
    again = run_trial(plan.study, 4, params)
    assert (again.state, again.intermediate, again.error) == (fresh.state, fresh.intermediate, fresh.error)


def test_trials_that_would_write_to_the_same_step_wait_for_each_other(tmp_path):
    plan = begun(SHARING, tmp_path)
    queue = Queue(plan.study, Searcher(plan.spec), [], most=4)
    first, second = queue.next(), queue.next()
    assert first
    assert second
    assert queue.next() is None, "both other trials share a training with one that runs"
    assert first[1]["train.model.kernel_size"] != second[1]["train.model.kernel_size"]
    queue.done(run_trial(plan.study, *first))
    third = queue.next()
    assert third
    assert third[1]["train.model.kernel_size"] == first[1]["train.model.kernel_size"]
    assert queue.next() is None
    queue.done(run_trial(plan.study, *second))
    assert queue.next() is not None
    assert queue.missing == 2


def test_no_more_trials_run_than_there_is_room_for(tmp_path):
    plan = begun(GRID, tmp_path)
    queue = Queue(plan.study, Searcher(plan.spec), [], most=2)
    assert [queue.next() is not None for _ in range(3)] == [True, True, False]


def test_samples_of_a_stopped_trial_are_its_newest(tmp_path):
    plan = begun(LEARNING_RATES, tmp_path, "parallel=1")
    write_record(
        plan.run.folder, TrialRecord(number=0, params={}, state="complete", intermediate=((96, 0.0),))
    )
    record = run_trial(plan.study, 1, {"optimizer.lr": 1e-3, "optimizer.name": "adam"})
    run = RunFolder(plan.root / "runs" / str(record.run))
    assert record.samples == f"{run.samples.uri}/{run.samples.names()[-1]}"


def test_a_record_that_is_not_finite_comes_back_from_another_process():
    record = TrialRecord(
        number=0, params={}, state="failed", intermediate=((1, math.inf),), metrics={"x": math.nan}
    )
    back = TrialRecord.model_validate_json(record.model_dump_json())
    assert back.intermediate == record.intermediate
    assert math.isnan(back.metrics["x"])
