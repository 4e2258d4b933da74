"""What a tracker can do, and the two that need no server."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import uuid4

from preimage.errors import TrackingError
from preimage.storage import Folder
from preimage.tracking.config import TrackingConfig

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class Record:
    """Metrics at so many images seen."""

    images: int
    time_ms: int
    metrics: Mapping[str, float]


class Tracker(Protocol):
    """Records runs. Every call may be repeated with the same arguments and changes nothing the second time.

    Any call raises TrackingError where the tracker is out of reach.
    """

    def begin(self, name: str, tags: Mapping[str, str], parent: str | None) -> str:
        """A new run's id."""
        ...

    def resume(self, run_id: str) -> None: ...
    def params(self, run_id: str, params: Mapping[str, Any]) -> None: ...
    def tags(self, run_id: str, tags: Mapping[str, str]) -> None: ...
    def dataset(self, run_id: str, name: str, fingerprint: str, address: str) -> None: ...
    def metrics(self, run_id: str, records: Sequence[Record]) -> None: ...
    def image(self, run_id: str, key: str, record: Record, png: bytes) -> None: ...
    def file(self, run_id: str, folder: str, name: str, data: bytes) -> None: ...
    def end(self, run_id: str, status: Status) -> None: ...
    def address(self, run_id: str) -> str | None:
        """Where a person can look at the run."""
        ...


class NoTracker:
    """Records nothing."""

    def begin(self, name: str, tags: Mapping[str, str], parent: str | None) -> str:
        return uuid4().hex

    def resume(self, run_id: str) -> None: ...
    def params(self, run_id: str, params: Mapping[str, Any]) -> None: ...
    def tags(self, run_id: str, tags: Mapping[str, str]) -> None: ...
    def dataset(self, run_id: str, name: str, fingerprint: str, address: str) -> None: ...
    def metrics(self, run_id: str, records: Sequence[Record]) -> None: ...
    def image(self, run_id: str, key: str, record: Record, png: bytes) -> None: ...
    def file(self, run_id: str, folder: str, name: str, data: bytes) -> None: ...
    def end(self, run_id: str, status: Status) -> None: ...
    def address(self, run_id: str) -> str | None:
        return None


class JsonLines(NoTracker):
    """One file of JSON lines a run, under results/tracking. Pictures and files stay in the run's folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def begin(self, name: str, tags: Mapping[str, str], parent: str | None) -> str:
        run_id = uuid4().hex
        self._add(run_id, [{"begin": name, "tags": dict(tags), "parent": parent}])
        return run_id

    def params(self, run_id: str, params: Mapping[str, Any]) -> None:
        self._add(run_id, [{"params": dict(params)}])

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._add(run_id, [{"tags": dict(tags)}])

    def metrics(self, run_id: str, records: Sequence[Record]) -> None:
        self._add(
            run_id, [{"images": each.images, "time_ms": each.time_ms, **each.metrics} for each in records]
        )

    def end(self, run_id: str, status: Status) -> None:
        self._add(run_id, [{"end": status, "time_ms": int(time.time() * 1000)}])

    def address(self, run_id: str) -> str | None:
        return f"{self.folder.uri}/{run_id}.jsonl"

    def _add(self, run_id: str, values: Sequence[Mapping[str, Any]]) -> None:
        name = f"{run_id}.jsonl"
        before = self.folder.read(name).decode().splitlines() if self.folder.exists(name) else []
        new = [line for line in map(json.dumps, values) if line not in before]
        self.folder.write(name, "".join(f"{line}\n" for line in before + new).encode())


def open_tracker(config: TrackingConfig, root: Folder) -> Tracker:
    """The tracker that a spec names. Raises TrackingError where it does not answer."""
    if config.uri == "none":
        return NoTracker()
    if config.uri == "jsonl":
        return JsonLines(root / "tracking")
    if config.uri == "local" and not root.is_local:
        raise TrackingError(
            f"the results are at {root.uri}, where no SQLite file can be: name an MLflow server with "
            "tracking.uri=http://..., or choose tracking.uri=jsonl or none"
        )
    from preimage.tracking.on_mlflow import MlflowTracker  # 3 seconds to import

    return MlflowTracker(config, root)
