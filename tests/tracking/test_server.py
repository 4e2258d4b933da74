"""Training against a real MLflow server that goes away."""

import time

import pytest

from mlflow_server import Server
from preimage.errors import TrackingError
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.open import open_tracker
from preimage.tracking.tracker import RunDeleted
from preimage.training.gan import GanAlgorithm
from shell import SPEC, Shell

pytestmark = pytest.mark.mlflow
STEPS = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"))
    yield made
    made.kill()


@pytest.fixture
def command(server, tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    return (
        *("run", tmp_path / "spec.yaml", f"results={tmp_path}/results", f"tracking.uri={server.uri}"),
        *(f"training.total_images={24 * STEPS}", f"tracking.experiment={tmp_path.name}"),
    )


@pytest.fixture
def at_step(monkeypatch):
    """Training at 30 ms a step, with something happening at some of them."""
    plan, original = {}, GanAlgorithm.step

    def step(self, rows, images, number):
        plan.get(number, lambda: time.sleep(0.03))()
        return original(self, rows, images, number)

    monkeypatch.setattr(GanAlgorithm, "step", step)
    return plan


def the_run(tmp_path):
    folder = Folder.at(tmp_path / "results" / "runs")
    (name,) = folder.names()
    return RunFolder(folder / name)


def assert_recorded(server, run):
    """MLflow has every record of the run's folder, once and in order, and every grid."""
    from mlflow import MlflowClient

    client, run_id = MlflowClient(server.uri), run.folder.read_json("run.json")["mlflow_run_id"]
    assert len(run.records()) == 24 * STEPS // 48
    for name in ("generator_loss", "discriminator_loss", "images_per_second"):
        history = client.get_metric_history(run_id, name)
        curve, last = run.curve(name), run.outcome().metrics[name]
        end = [(curve[-1][0], last)] if last != curve[-1][1] else []  # the median of a rate
        assert [(each.step, each.value) for each in history] == curve + end
    grids = [each.path for each in client.list_artifacts(run_id, "images") if each.path.endswith(".png")]
    assert sorted(int(path.split("+")[2]) for path in grids) == [
        int(name.split(".")[0]) for name in run.samples.names()
    ]
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.data.metrics["system/cpu_utilization_percentage"] >= 0
    assert {each.path for each in client.list_artifacts(run_id)} == {
        *("figures", "images", "outcome.json", "provenance.json", "report.html", "spec.yaml")
    }
    (model,) = client.search_logged_models([found.info.experiment_id])
    assert (model.name, model.status, model.source_run_id) == ("generator", "READY", run_id)
    files = [each.path for each in client.list_logged_model_artifacts(model.model_id, "data/generator")]
    assert files == ["data/generator/config.json", "data/generator/weights.safetensors"]
    assert len(client.search_runs([found.info.experiment_id])) == 1


def test_a_server_that_goes_away_and_comes_back_costs_nothing(
    server, command, at_step, tmp_path, monkeypatch, capsys, caplog
):
    noticed = []

    def back():
        noticed.append((len(the_run(tmp_path).records()), caplog.text))
        server.start()

    server.start()
    at_step |= {30: server.kill, 150: back}
    said = Shell(monkeypatch, capsys)(*command)
    assert said.code == 0, said.err
    ((records, warnings),) = noticed
    assert records > 70  # a record is two steps: training went on
    assert warnings.count("The run continues; what is missing will be sent later.") == 1
    assert "the tracker is back" in caplog.text
    assert_recorded(server, the_run(tmp_path))


def test_a_server_that_stays_away_costs_nothing_once_the_command_is_given_again(
    server, command, at_step, tmp_path, monkeypatch, capsys, caplog
):
    server.start()
    at_step |= {100: server.kill}
    shell = Shell(monkeypatch, capsys)
    said = shell(*command)
    assert said.code == 0, said.err
    assert "run the same command again to record it" in caplog.text
    assert the_run(tmp_path).outcome().metrics["images_seen"] == 24 * STEPS
    server.start()
    again = shell(*command)
    assert again.code == 0
    assert "already finished" in again.out
    assert_recorded(server, the_run(tmp_path))


def test_what_is_deleted_on_the_server_is_said_to_be(server, tmp_path):
    server.start()
    config = TrackingConfig(uri=server.uri, experiment=tmp_path.name)
    tracker = open_tracker(config, Folder.at(tmp_path))
    run_id = tracker.begin("key", "train", {}, None)
    tracker.client.delete_run(run_id)
    with pytest.raises(RunDeleted, match=f"MLFLOW_TRACKING_URI={server.uri} mlflow runs restore"):
        tracker.end(run_id, "FINISHED")
    with pytest.raises(RunDeleted, match="was deleted permanently"):
        tracker.file("f" * 32, "", "a.txt", b"a")
    assert tracker.begin("key", "train", {}, None) != run_id
    tracker.client.delete_experiment(tracker.experiment_id)
    with pytest.raises(TrackingError, match=f"experiment '{tmp_path.name}' at {server.uri} was deleted"):
        tracker.begin("key", "train", {}, None)


def test_a_server_that_is_not_there_at_the_start_is_one_error_before_any_work(
    server, command, tmp_path, monkeypatch, capsys
):
    server.kill()
    begin = time.monotonic()
    said = Shell(monkeypatch, capsys)(*command)
    assert said.code == 2
    assert said.err.count("error:") == 1
    assert f"no MLflow server answers at {server.uri}" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "results").exists()
    assert time.monotonic() - begin < 30
