import io
import json
import shutil
import sqlite3
from contextlib import closing
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import make_url

from preimage.errors import StorageError, TrackingError
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.mlflow_address import local_uri
from preimage.tracking.open import open_tracker
from preimage.tracking.tracker import DatasetUsed, Record, RunDeleted

ADDRESS = """s3://bucket/"quoted" digits?endpoint_override=http://h:1&scheme=http"""

DIGITS = DatasetUsed("digits train", "f" * 64, ADDRESS, "training", {"num_rows": 1797}, {"pixels": "binary"})


def png(value):
    stream = io.BytesIO()
    Image.new("L", (40, 20), value).save(stream, "png")
    return stream.getvalue()


def artifacts(tracker, run_id, folder=None):
    return [each.path for each in tracker.client.list_artifacts(run_id, folder)]


def test_a_key_means_one_run_even_if_its_id_was_lost(tracker):
    first, again = (tracker.begin("lost", "train", {}, None) for _ in range(2))
    assert first == again
    assert tracker.begin("other", "train", {}, None) != first


def test_a_run_has_its_name_its_parent_and_its_tags(tracker, run_id):
    child = tracker.client.get_run(tracker.begin(uuid4().hex, "invert", {"a": "1"}, run_id))
    assert child.info.run_name == "invert"
    assert child.info.status == "RUNNING"
    assert child.data.tags["mlflow.parentRunId"] == run_id
    assert child.data.tags["a"] == "1"
    assert child.data.tags["mlflow.source.name"] == "preimage"


def test_the_experiment_is_shown_as_model_training(tracker):
    experiment = tracker.client.get_experiment(tracker.experiment_id)
    assert experiment.name == "preimage"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert experiment.artifact_location.startswith("file://")


def test_settings_of_any_number_and_length(tracker, run_id):
    settings = {f"model.setting_{number}": number for number in range(250)} | {"long": "x" * 10_000}
    for _ in range(2):
        tracker.params(run_id, settings)
    found = tracker.client.get_run(run_id).data.params
    assert len(found) == 251
    assert found["model.setting_249"] == "249"


def test_settings_are_written_as_overrides_have_them(tracker, run_id):
    tracker.params(run_id, {"data.crop": None, "flip": True, "size": [28, 40], "prior": "normal"})
    found = tracker.client.get_run(run_id).data.params
    assert found == {"data.crop": "null", "flip": "true", "size": "[28, 40]", "prior": "normal"}


def test_results_that_cannot_be_made_are_said_to_be(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(
        StorageError, match=r"cannot create the folder .* \(.*\): choose another with results=FOLDER"
    ):
        open_tracker(TrackingConfig(uri="local"), Folder.at(tmp_path / "file"))


def test_names_that_mlflow_refuses_are_written_without_what_it_refuses(tracker, run_id):
    tracker.params(run_id, {"methods.GLO (L2).store": "glo"})
    tracker.metrics(run_id, [Record(0, 1_000, {"table.GLO (L2).mse": 0.25})])
    data = tracker.client.get_run(run_id).data
    assert data.params == {"methods.GLO L2.store": "glo"}
    assert data.metrics == {"table.GLO L2.mse": 0.25}


def test_metrics_sent_twice_are_there_once_in_order(tracker, run_id):
    records = [Record(step, 1_000 + step, {"loss": 1 / (step + 1), "rate": 7.0}) for step in range(600)]
    tracker.metrics(run_id, records[:400])
    tracker.metrics(run_id, records)
    for name in ("loss", "rate"):
        history = tracker.client.get_metric_history(run_id, name)
        assert [(each.step, each.timestamp, each.value) for each in history] == [
            (each.step, each.time_ms, each.metrics[name]) for each in records
        ]


def test_a_picture_sent_twice_shows_once_large_and_small(tracker, run_id):
    for _ in range(2):
        tracker.image(run_id, "samples", Record(300, 5, {}), png(1))
        tracker.image(run_id, "samples", Record(600, 6, {}), png(2))
    names = artifacts(tracker, run_id, "images")
    assert [name.split("+")[2] for name in names] == ["300", "300", "600", "600"]
    assert [name.endswith(".png") for name in names] == [False, True, False, True]
    assert tracker.client.get_run(run_id).data.tags["mlflow.loggedImages"] == "True"


def test_names_of_pictures_are_those_that_mlflow_itself_gives(tracker, run_id):
    other = tracker.begin(uuid4().hex, "by mlflow", {}, None)
    tracker.client.log_image(other, Image.new("L", (4, 4)), key="samples", step=3, timestamp=9)
    tracker.image(run_id, "samples", Record(3, 9, {}), png(1))

    def shape(of):
        names = sorted(artifacts(tracker, of, "images"))
        return [[part for part in name.split("+") if len(part) != 36 and "-" not in part] for name in names]

    assert shape(run_id)[0] == shape(other)[0]
    assert len(shape(run_id)) == len(shape(other)) == 2


def test_files_lie_in_their_folders(tracker, run_id, tmp_path):
    tracker.file(run_id, "", "spec.yaml", b"job: pag\n")
    tracker.file(run_id, "generator", "config.json", b"{}")
    assert artifacts(tracker, run_id) == ["generator", "spec.yaml"]
    tracker.client.download_artifacts(run_id, "spec.yaml", str(tmp_path))
    assert (tmp_path / "spec.yaml").read_bytes() == b"job: pag\n"


def test_the_dataset_is_an_input_once(tracker, run_id):
    for _ in range(2):
        tracker.dataset(run_id, DIGITS)
    (images,) = tracker.client.get_run(run_id).inputs.dataset_inputs
    found = images.dataset
    assert (found.name, found.digest, found.source_type) == ("digits train", "f" * 10, "s3")
    assert json.loads(found.source) == {"uri": ADDRESS}
    assert json.loads(found.profile) == {"num_rows": 1797}
    (column,) = json.loads(found.schema)["mlflow_colspec"]
    assert (column["name"], column["type"]) == ("pixels", "binary")
    assert {each.key: each.value for each in images.tags} == {"mlflow.data.context": "training"}


@pytest.mark.parametrize("name", ["what? now", "100%20 sure", "it's 100% [odd]"])
def test_the_database_lies_in_the_results_whatever_they_are_called(tmp_path, name):
    url = make_url(local_uri(Folder.at(tmp_path / name)))
    assert (url.database, dict(url.query)) == (str(tmp_path / name / "mlflow.db"), {})


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends_and_is_taken_up_again(tracker, run_id, status):
    tracker.end(run_id, status)
    assert tracker.client.get_run(run_id).info.status == status
    tracker.resume(run_id, None)
    assert tracker.client.get_run(run_id).info.status == "RUNNING"


def test_a_resumed_run_can_come_under_another_parent(tracker, run_id):
    child = tracker.begin(uuid4().hex, "invert", {}, "before")
    for given, found in ((None, "before"), (run_id, run_id)):
        tracker.resume(child, given)
        assert tracker.client.get_run(child).data.tags["mlflow.parentRunId"] == found


def test_a_deleted_run_is_said_to_be_and_begun_anew(tracker):
    run_id = tracker.begin("tidied up", "train", {}, None)
    tracker.client.delete_run(run_id)
    calls = (
        lambda: tracker.metrics(run_id, [Record(1, 1, {"loss": 1.0})]),
        lambda: tracker.params(run_id, {"lr": 1.0}),
        lambda: tracker.tags(run_id, {"a": "1"}),
        lambda: tracker.dataset(run_id, DIGITS),
        lambda: tracker.resume(run_id, None),
        lambda: tracker.end(run_id, "FINISHED"),
    )
    for call in calls:
        with pytest.raises(RunDeleted, match=f"mlflow runs restore --run-id {run_id}` restores it"):
            call()
    assert tracker.begin("tidied up", "train", {}, None) != run_id


def test_a_run_that_the_store_does_not_know_was_deleted_permanently(tracker):
    with pytest.raises(RunDeleted, match=f"the MLflow run {'f' * 32} was deleted permanently"):
        tracker.resume("f" * 32, None)


def test_another_mistake_is_no_deletion(tracker, run_id):
    tracker.params(run_id, {"lr": 0.1})
    with pytest.raises(TrackingError, match="does not answer as expected") as said:
        tracker.params(run_id, {"lr": 0.2})
    assert not isinstance(said.value, RunDeleted)


def test_a_server_that_is_not_there_is_one_sentence(tmp_path, caplog):
    with pytest.raises(TrackingError, match=r"no MLflow server answers at http://127.0.0.1:9 \(Connection"):
        open_tracker(TrackingConfig(uri="http://127.0.0.1:9"), Folder.at(tmp_path))
    assert not caplog.text


def test_a_store_of_another_version_is_refused_with_the_command_that_upgrades_it(tracker, tmp_path):
    path = tmp_path / "other version.db"
    shutil.copy(tracker.uri.removeprefix("sqlite:///"), path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("update alembic_version set version_num = 'other'")
    with pytest.raises(TrackingError, match=r"run `mlflow db upgrade 'sqlite:.*other version\.db'`; if that"):
        open_tracker(TrackingConfig(uri=f"sqlite:///{path}"), Folder.at(tmp_path))


def test_a_page_is_under_the_server_s_prefix(tracker, run_id, monkeypatch):
    assert tracker.page(run_id) is None
    monkeypatch.setattr(tracker, "uri", "https://host/mlflow/")
    page = f"https://host/mlflow/#/experiments/{tracker.experiment_id}/runs/{run_id}"
    assert tracker.page(run_id) == f"{page}?workflowType=machine_learning"


def test_a_folder_on_no_disk_cannot_hold_the_local_store():
    from pyarrow.fs import _MockFileSystem

    from preimage.storage.other import OtherStorage

    with pytest.raises(TrackingError, match=r"name an MLflow server with tracking\.uri=http"):
        open_tracker(TrackingConfig(), Folder(OtherStorage(_MockFileSystem(), "mock://"), "results"))
