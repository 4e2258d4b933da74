"""MLflow as a tracker."""

import io
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from PIL import Image
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from preimage.errors import TrackingError
from preimage.storage import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.tracker import Record, Status

Value = TypeVar("Value")

BATCH = 900
"""Values of one call; MLflow takes 1,000."""
LONGEST_PARAM = 5_900

PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""MLflow would otherwise retry for minutes; the mirror tries again by itself."""


def local_uri(root: Folder) -> str:
    """The SQLite store of local results."""
    return f"sqlite:///{root.local / 'mlflow.db'}"


def artifacts_uri(root: Folder) -> str:
    return (root.local / "mlartifacts").as_uri()


class MlflowTracker:
    """Runs in MLflow, in the experiment that the spec names."""

    def __init__(self, config: TrackingConfig, root: Folder) -> None:
        """Connect, and make the experiment where there is none. Raises TrackingError."""
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        self.uri = local_uri(root) if config.uri == "local" else config.uri
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        with self._reaching():
            if config.uri == "local":
                root.local.mkdir(parents=True, exist_ok=True)
            self.client = MlflowClient(self.uri)
            self.experiment_id = self._experiment(config, root)
        self._monitors: dict[str, SystemMetricsMonitor] = {}
        self._drawn: dict[str, set[str]] = {}

    def _experiment(self, config: TrackingConfig, root: Folder) -> str:
        found = self.client.get_experiment_by_name(config.experiment)
        if found:
            return found.experiment_id
        where = f"{artifacts_uri(root)}/{config.experiment}" if config.uri == "local" else None
        return self.client.create_experiment(config.experiment, artifact_location=where)

    def begin(self, name: str, tags: Mapping[str, str], parent: str | None) -> str:
        family = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
        with self._reaching():
            run = self.client.create_run(self.experiment_id, tags={**tags, **family}, run_name=name)
        self._watch(run.info.run_id)
        return run.info.run_id

    def resume(self, run_id: str) -> None:
        with self._reaching():
            self.client.update_run(run_id, status="RUNNING")
        self._watch(run_id)

    def params(self, run_id: str, params: Mapping[str, Any]) -> None:
        values = [Param(key, str(value)[:LONGEST_PARAM]) for key, value in params.items()]
        with self._reaching():
            for part in _parts(values, 100):
                self.client.log_batch(run_id, params=part)

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        with self._reaching():
            self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def dataset(self, run_id: str, name: str, fingerprint: str, address: str) -> None:
        images = Dataset(name, fingerprint[:36], "local", f'{{"uri": "{address}"}}')
        with self._reaching():
            self.client.log_inputs(run_id, [DatasetInput(images)])

    def metrics(self, run_id: str, records: Sequence[Record]) -> None:
        """The same value, time and step are one entry in MLflow, however often they are sent."""
        values = [
            Metric(name, value, each.time_ms, each.images)
            for each in records
            for name, value in each.metrics.items()
        ]
        with self._reaching():
            for part in _parts(values, BATCH):
                self.client.log_batch(run_id, metrics=part)

    def image(self, run_id: str, key: str, record: Record, png: bytes) -> None:
        mark = f"{key}+step+{record.images}+"
        with self._reaching():
            if not any(mark in name for name in self._images(run_id)):
                picture = Image.open(io.BytesIO(png))
                self.client.log_image(run_id, picture, key=key, step=record.images, timestamp=record.time_ms)
                self._images(run_id).add(mark)

    def _images(self, run_id: str) -> set[str]:
        if run_id not in self._drawn:
            self._drawn[run_id] = {each.path for each in self.client.list_artifacts(run_id, "images")}
        return self._drawn[run_id]

    def file(self, run_id: str, folder: str, name: str, data: bytes) -> None:
        with self._reaching(), tempfile.TemporaryDirectory() as place:
            path = Path(place) / name
            path.write_bytes(data)
            self.client.log_artifact(run_id, str(path), folder or None)

    def end(self, run_id: str, status: Status) -> None:
        if monitor := self._monitors.pop(run_id, None):
            monitor.finish()
        with self._reaching():
            self.client.set_terminated(run_id, status)

    def address(self, run_id: str) -> str | None:
        if not self.uri.startswith("http"):
            return None
        return f"{self.uri.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{run_id}"

    def _watch(self, run_id: str) -> None:
        """Record the machine's CPU, memory, disk, network and GPU while the run lasts."""
        logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
        mlflow.set_tracking_uri(self.uri)
        monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=self.uri)
        monitor.start()
        self._monitors[run_id] = monitor

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
            raise TrackingError(
                f"the MLflow store at {self.uri} does not answer as it should: {_first_line(error)}. Start "
                "it (preimage ui, or mlflow server), correct tracking.uri, or choose tracking.uri=none."
            ) from error


def _parts(values: Sequence[Value], size: int) -> Iterator[Sequence[Value]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
