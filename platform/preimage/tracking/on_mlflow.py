"""MLflow as a tracker."""

import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking.multimedia import compress_image_size
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_LOGGED_IMAGES,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)
from PIL import Image

from preimage.errors import StorageError, TrackingError
from preimage.runs.metrics import plain_name
from preimage.runs.spec_params import override_text
from preimage.storage.address import command
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
from preimage.storage.host_info import user
from preimage.tracking import mlflow_models
from preimage.tracking.config import TrackingConfig
from preimage.tracking.mlflow_address import home_of
from preimage.tracking.mlflow_store import reaching, store_uri
from preimage.tracking.pages import run_page, runs_page, version_page
from preimage.tracking.tracker import DatasetUsed, Record, RunDeleted, Status

Value = TypeVar("Value")

BATCH = 900
"""Values per call; MLflow accepts 1,000."""
LONGEST_PARAM = 5_900
DIGEST = 10
"""Digits of a dataset's digest, which its pages show beside its name; MLflow's own have 8."""
DEFAULT = "0"
"""The experiment that every store has."""
KEY = "preimage.key"
"""The tag that finds a run again when the reply with its id was lost."""
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
"""Tells MLflow the kind of experiment, so that it does not guess."""
REFUSED = (ErrorCode.Name(INVALID_PARAMETER_VALUE), ErrorCode.Name(RESOURCE_DOES_NOT_EXIST))
"""How MLflow answers, among other mistakes, for a run that was deleted."""


def artifacts_uri(root: Folder) -> str:
    return (root.local / "mlartifacts").as_uri()


def latest_runs(uri: str) -> str:
    """The page of the most recently used experiment, relative to the server's address."""
    experiments = MlflowClient(uri).search_experiments(order_by=["last_update_time DESC"])
    used = next((each.experiment_id for each in experiments if each.experiment_id != DEFAULT), DEFAULT)
    return runs_page("", used)


class MlflowTracker:
    """Runs in MLflow, in the experiment that the spec names."""

    def __init__(self, config: TrackingConfig, root: Folder) -> None:
        """Connect, and create the experiment if there is none. Raises TrackingError."""
        self.uri = store_uri(config, root)
        self.home = home_of(config, root)
        if config.uri == "local":
            _make(root)
        # If several processes open a new SQLite file at once, all but one fail.
        alone = claimed(root / "mlflow", brief=True) if config.uri == "local" else nullcontext()
        with alone, self._reaching():
            self.experiment = config.experiment
            self.artifacts = f"{artifacts_uri(root)}/{config.experiment}" if config.uri == "local" else None
            self.client = MlflowClient(self.uri)
            self.experiment_id = self._find_experiment()

    def _find_experiment(self) -> str:
        """The experiment's id; creates it if there is none. Raises TrackingError if it was deleted."""
        found = self.client.get_experiment_by_name(self.experiment)
        if not found:
            return self.client.create_experiment(self.experiment, self.artifacts, MODEL_TRAINING)
        if found.lifecycle_stage == LifecycleStage.DELETED:
            restore = self._command("experiments", "restore", "--experiment-id", found.experiment_id)
            raise TrackingError(
                f"the MLflow experiment {self.experiment!r} at {self.uri} was deleted: restore it "
                f"(`{restore}`), name another (tracking.experiment=NAME), or record nothing "
                "(tracking.uri=none)."
            )
        return found.experiment_id

    def begin(self, key: str, name: str, tags: Mapping[str, str], parent: str | None) -> str:
        family = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
        source = {MLFLOW_SOURCE_NAME: "preimage", MLFLOW_SOURCE_TYPE: "LOCAL", MLFLOW_USER: user()}
        with self._reaching():
            self.experiment_id = self._find_experiment()  # it may have been deleted since
            found = self.client.search_runs([self.experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
            if found:
                self.client.update_run(found[0].info.run_id, status="RUNNING")
                return found[0].info.run_id
            tags = {**source, **tags, **family, KEY: key}
            return self.client.create_run(self.experiment_id, tags=tags, run_name=name).info.run_id

    def page(self, run_id: str) -> str | None:
        """The run's page on the server; without a server, `preimage ui` serves the pages."""
        return run_page(self.uri, self.experiment_id, run_id) if self._is_served else None

    def version_page(self, name: str, version: str) -> str | None:
        return version_page(self.uri, name, version) if self._is_served else None

    @property
    def _is_served(self) -> bool:
        return self.uri.startswith("http")

    def resume(self, run_id: str, parent: str | None) -> None:
        with self._reaching(run_id):
            self.client.update_run(run_id, status="RUNNING")
            if parent:
                self.client.set_tag(run_id, MLFLOW_PARENT_RUN_ID, parent)

    def params(self, run_id: str, params: Mapping[str, Any]) -> None:
        values = [
            Param(plain_name(key), override_text(value)[:LONGEST_PARAM]) for key, value in params.items()
        ]
        with self._reaching(run_id):
            for part in _parts(values, 100):
                self.client.log_batch(run_id, params=part)

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        with self._reaching(run_id):
            self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def dataset(self, run_id: str, dataset: DatasetUsed) -> None:
        scheme, is_uri, _ = dataset.address.partition("://")
        columns = [{"name": name, "type": kind, "required": True} for name, kind in dataset.columns.items()]
        used = Dataset(
            name=dataset.name,
            digest=dataset.fingerprint[:DIGEST],
            source_type=scheme if is_uri and scheme != "file" else "local",
            source=json.dumps({"uri": dataset.address}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps(dict(dataset.profile)),
        )
        tags = [InputTag(MLFLOW_DATASET_CONTEXT, dataset.context)] if dataset.context else []
        with self._reaching(run_id):
            self.client.log_inputs(run_id, [DatasetInput(used, tags)])

    def metrics(self, run_id: str, records: Sequence[Record]) -> None:
        """The same value, time and step make one entry in MLflow, however often they are sent."""
        values = [
            Metric(plain_name(name), value, each.time_ms, each.step)
            for each in records
            for name, value in each.metrics.items()
        ]
        with self._reaching(run_id):
            for part in _parts(values, BATCH):
                self.client.log_batch(run_id, metrics=part)

    def image(self, run_id: str, key: str, record: Record, png: bytes) -> None:
        """A picture in MLflow's image grid, named as `MlflowClient.log_image` names it.

        MLflow ends the name at random, so a picture sent twice would show twice; here the ending is fixed.
        """
        same = uuid5(NAMESPACE_URL, f"{key} {record.step}")
        name = f"{key}+step+{record.step}+timestamp+{record.time_ms}+{same}"
        small = io.BytesIO()
        compress_image_size(Image.open(io.BytesIO(png))).save(small, "webp")
        self.file(run_id, "images", f"{name}+compressed.webp", small.getvalue())
        self.file(run_id, "images", f"{name}.png", png)
        self.tags(run_id, {MLFLOW_LOGGED_IMAGES: "True"})

    def file(self, run_id: str, folder: str, name: str, data: bytes) -> None:
        with self._reaching(run_id), tempfile.TemporaryDirectory() as place:
            path = Path(place) / name
            path.write_bytes(data)
            self.client.log_artifact(run_id, str(path), folder or None)

    def generator(self, run_id: str, folder: Folder) -> None:
        with self._reaching(run_id):
            mlflow_models.log_generator(self.client, run_id, folder)

    def register(self, run_id: str, name: str) -> str:
        with self._reaching(run_id):
            return mlflow_models.register(self.client, run_id, name)

    def end(self, run_id: str, status: Status) -> None:
        with self._reaching(run_id):
            self.client.set_terminated(run_id, status)

    @contextmanager
    def _reaching(self, run_id: str | None = None) -> Iterator[None]:
        """Raise TrackingError for what MLflow raises, and RunDeleted if there is no such run any more."""
        with reaching(self.uri):
            try:
                yield
            except MlflowException as error:
                if run_id and (why := self._deleted(run_id, error)):
                    raise RunDeleted(why, run_id) from error
                raise

    def _deleted(self, run_id: str, error: MlflowException) -> str | None:
        """Whether a call failed because its run was deleted, in words."""
        if error.error_code not in REFUSED:
            return None
        try:
            stage = self.client.get_run(run_id).info.lifecycle_stage
        except MlflowException as unknown:
            gone = unknown.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
            return f"the MLflow run {run_id} was deleted permanently." if gone else None
        if stage != LifecycleStage.DELETED:
            return None
        restore = self._command("runs", "restore", "--run-id", run_id)
        return f"the MLflow run {run_id} was deleted (`{restore}` restores it)."

    def _command(self, *arguments: str) -> str:
        """MLflow's command line, for this store."""
        return f"MLFLOW_TRACKING_URI={command(self.uri)} {command('mlflow', *arguments)}"


def _parts(values: Sequence[Value], size: int) -> Iterator[Sequence[Value]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]


def _make(root: Folder) -> None:
    """Create the results folder. Raises StorageError if that fails."""
    try:
        root.local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot create the folder {root.uri} ({error.strerror}): choose another with results=FOLDER"
        ) from error
