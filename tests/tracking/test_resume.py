import json
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.cli import cli as mlflow

from preimage.errors import PreimageError, TrackingError
from preimage.jobs.pag.job import PagJob
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.runs.metrics import numbers
from preimage.runs.run_folder import RunFolder
from preimage.specs.load import loads
from preimage.storage.folder import Folder
from preimage.tracking import mirror
from preimage.tracking.config import TrackingConfig
from preimage.tracking.open import open_tracker
from preimage.training.gan import GanAlgorithm
from shell import PIPELINE


class Killed(PreimageError):
    pass


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A SQLite store without experiments; making its tables takes seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def plan(tmp_path, empty_store):
    (tmp_path / "results").mkdir()
    shutil.copy(empty_store, tmp_path / "results")
    changes = [f"results={tmp_path}/results", "tracking.uri=local"]
    return lambda: make_plan(loads(PIPELINE, "p.yaml", "p", None, changes))


def die(*_):
    raise Killed


def runs(tmp_path):
    client = MlflowClient(f"sqlite:///{tmp_path}/results/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("preimage").experiment_id])
    return client, {each.data.tags["preimage.name"]: each for each in found}, len(found)


def test_an_interrupted_pipeline_goes_on_in_the_same_runs(plan, tmp_path, monkeypatch):
    original = GanAlgorithm.step
    monkeypatch.setattr(
        GanAlgorithm, "step", lambda self, *args: die() if args[2] == 12 else original(self, *args)
    )
    with pytest.raises(Killed):
        execute(plan())
    _, before, _ = runs(tmp_path)
    assert {name: each.info.status for name, each in before.items()} == {"p": "FAILED", "train": "FAILED"}

    monkeypatch.setattr(GanAlgorithm, "step", original)
    outcome = execute(plan())
    client, after, count = runs(tmp_path)
    assert count == 4
    assert {each.info.status for each in after.values()} == {"FINISHED"}
    assert all(after[name].info.run_id == before[name].info.run_id for name in before)
    assert {each.data.tags.get("mlflow.parentRunId") for name, each in after.items() if name != "p"} == {
        after["p"].info.run_id
    }
    history = client.get_metric_history(after["train"].info.run_id, "generator_loss")
    assert [each.step for each in history] == list(range(48, 481, 48))
    assert outcome.mlflow_run_id == after["p"].info.run_id

    ends = {name: each.info.end_time for name, each in after.items()}
    execute(plan())
    _, again, _ = runs(tmp_path)
    assert {name: each.info.end_time for name, each in again.items()} == ends  # nothing was reopened


def test_what_was_deleted_while_the_job_was_stopped_is_recorded_anew(plan, tmp_path, monkeypatch, caplog):
    def die_at_the_prior(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PagJob, "run", die_at_the_prior)
        with pytest.raises(Killed):
            execute(plan())
    client, before, _ = runs(tmp_path)
    for name in ("p", "train", "prior"):
        client.delete_run(before[name].info.run_id)
    outcome = execute(plan())
    _, after, count = runs(tmp_path)
    assert count == 4
    assert after["codes"].info.run_id == before["codes"].info.run_id
    new = {name: each.info.run_id for name, each in after.items() if name != "codes"}
    for name, run_id in new.items():
        (said,) = [each for each in caplog.messages if before[name].info.run_id in each]
        assert f"runs restore --run-id {before[name].info.run_id}` restores it" in said
        assert f"A new one, {run_id}, gets everything" in said
    assert {each.info.status for each in after.values()} == {"FINISHED"}
    assert [after[name].data.tags.get("mlflow.parentRunId") for name in ("p", "train", "codes", "prior")] == [
        *(None, new["p"], new["p"], new["p"])
    ]
    assert outcome.mlflow_run_id == new["p"]
    history = client.get_metric_history(new["train"], "generator_loss")
    assert [each.step for each in history] == list(range(48, 481, 48))
    assert after["train"].data.params == before["train"].data.params


def test_what_is_deleted_while_the_job_runs_is_recorded_anew(plan, tmp_path, monkeypatch, caplog):
    original = PagJob.run

    def tidy_up(self, context):
        client, now, _ = runs(tmp_path)
        for each in now.values():
            client.delete_run(each.info.run_id)
        return original(self, context)

    monkeypatch.setattr(PagJob, "run", tidy_up)
    execute(plan())
    _, after, count = runs(tmp_path)
    assert count == 4
    assert {each.info.status for each in after.values()} == {"FINISHED"}
    whole = after.pop("p")
    assert {each.data.tags["mlflow.parentRunId"] for each in after.values()} == {whole.info.run_id}
    assert len([each for each in caplog.messages if "A new one" in each]) == 4


def test_a_deleted_experiment_is_refused_before_any_work(plan, tmp_path):
    tracker = open_tracker(TrackingConfig(uri="local"), Folder.at(tmp_path / "results"))
    tracker.client.delete_experiment(tracker.experiment_id)
    with pytest.raises(TrackingError, match="'preimage' at sqlite.* was deleted: restore it") as said:
        execute(plan())
    assert "tracking.experiment=NAME" in str(said.value)
    assert "tracking.uri=none" in str(said.value)
    assert not (tmp_path / "results" / "runs").exists()


def test_an_experiment_that_is_deleted_meanwhile_costs_nothing_once_it_is_restored(
    plan, tmp_path, monkeypatch, caplog
):
    original = PagJob.run

    def tidy_up(self, context):
        client, _, _ = runs(tmp_path)
        client.delete_experiment(client.get_experiment_by_name("preimage").experiment_id)
        return original(self, context)

    monkeypatch.setattr(PagJob, "run", tidy_up)
    execute(plan())
    assert "run the same command again to record it" in caplog.text
    (restore,) = set(re.findall(r"`MLFLOW_TRACKING_URI=(\S+) mlflow (experiments restore .*?)`", caplog.text))
    result = CliRunner(env={"MLFLOW_TRACKING_URI": restore[0]}).invoke(mlflow, restore[1].split())
    assert result.exit_code == 0, result.output
    _, before, _ = runs(tmp_path)
    execute(plan())
    _, after, count = runs(tmp_path)
    assert count == 4
    assert {each.info.status for each in after.values()} == {"FINISHED"}
    assert {name: each.info.run_id for name, each in after.items()} == {
        name: each.info.run_id for name, each in before.items()
    }


def test_a_run_whose_last_words_were_lost_is_recorded_by_the_next_command(plan, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(mirror.Mirror, "finish", die)
        with pytest.raises(Killed):
            execute(plan())
    execute(plan())
    _, after, count = runs(tmp_path)
    assert count == 4
    assert {each.info.status for each in after.values()} == {"FINISHED"}
    assert after["train"].data.metrics["images_seen"] == 480


def made_with(client, run):
    """What provenance.json says among the artifacts of a run in MLflow."""
    with TemporaryDirectory() as place:
        path = client.download_artifacts(run.info.run_id, "provenance.json", place)
        return json.loads(Path(path).read_text())


def test_digests_and_addresses_are_in_one_file(plan, tmp_path):
    outcome = execute(plan())
    client, found, _ = runs(tmp_path)
    made = {name: made_with(client, each) for name, each in found.items()}
    prints = {name: each["fingerprints"] for name, each in made.items()}
    for key in ("generator", "dataset"):
        assert len({prints[name][key] for name in ("train", "codes", "prior")}) == 1
    assert prints["codes"]["store"] == prints["prior"]["store"]
    assert made["p"]["products"] == outcome.products
    assert made["train"]["products"] == {"generator": outcome.products["train.generator"]}
    assert made["train"]["versions"]["torch"]
    images = {name: each.inputs.dataset_inputs for name, each in found.items()}
    for name, context in (("p", "training"), ("train", "training"), ("codes", "evaluation")):
        (used,) = images[name]
        assert prints["train"]["dataset"].startswith(used.dataset.digest)
        assert [each.value for each in used.tags] == [context]
    (codes,) = images["prior"]
    assert codes.dataset.name == f"codes of {RunFolder(Folder.at(made['codes']['folder'])).name}"
    assert prints["codes"]["store"].startswith(codes.dataset.digest)


def test_runs_are_called_what_they_are_and_a_pipeline_has_what_its_steps_have(plan, tmp_path):
    outcome = execute(plan())
    client, found, _ = runs(tmp_path)
    assert {each.info.run_name for each in found.values()} == {
        *("p", "train: train-gan digits w4 d4", "codes: invert digits lbfgs", "prior: pag")
    }
    whole, step = found["p"], found["train"]
    assert whole.data.metrics == numbers(outcome.metrics) | {
        name: value for name, value in whole.data.metrics.items() if name.startswith("codes.seconds")
    }
    ours, its = (
        [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]
        for run, name in ((whole, "train.generator_loss"), (step, "generator_loss"))
    )
    assert ours == its
    assert whole.data.params["train.model.latent_dim"] == step.data.params["model.latent_dim"] == "4"
    files = [each.path for each in client.list_artifacts(whole.info.run_id, "figures")]
    assert "figures/train.samples.png" in files
    note = whole.data.tags["mlflow.note.content"]
    assert f"`preimage run {outcome.run} --results {tmp_path}/results`" in note
    assert f"figures%2Fsmall%2Ftrain.samples.png&run_uuid={whole.info.run_id}" in note
    assert "prior.pag **" in note
