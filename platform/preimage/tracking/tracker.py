"""What a tracker can do, and the two that need no server."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from preimage.errors import TrackingError
from preimage.storage.folder import Folder

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class Record:
    """Metrics at a step: the number of images seen, or seconds for system metrics."""

    step: int
    time_ms: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class DatasetUsed:
    """A dataset as a tracker shows it."""

    name: str
    fingerprint: str
    address: str
    context: str = ""
    """What it is used for: training or evaluation."""
    profile: Mapping[str, Any] = field(default_factory=dict)
    """`num_rows`, `num_elements` and what else counts."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The types of its columns, in MLflow's words."""


class RunDeleted(TrackingError):
    """A run that someone deleted in the tracker."""

    def __init__(self, message: str, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class Tracker(Protocol):
    """Records runs. Repeating a call with the same arguments changes nothing.

    Any call raises TrackingError if the tracker is unreachable, and one with a run's id RunDeleted if there
    is no such run; of several calls that send something at least the last, `end`.
    """

    @property
    def home(self) -> str:
        """Identifies this tracker: what one has received, another has not."""
        ...

    def begin(self, key: str, name: str, tags: Mapping[str, str], parent: str | None) -> str:
        """The id of the run with this key; creates the run if there is none."""
        ...

    def page(self, run_id: str) -> str | None:
        """The address of the run's web page, if known."""
        ...

    def resume(self, run_id: str, parent: str | None) -> None:
        """Set a run running again; under another parent, if one is given."""
        ...

    def params(self, run_id: str, params: Mapping[str, Any]) -> None: ...
    def tags(self, run_id: str, tags: Mapping[str, str]) -> None: ...
    def dataset(self, run_id: str, dataset: DatasetUsed) -> None: ...
    def metrics(self, run_id: str, records: Sequence[Record]) -> None: ...
    def image(self, run_id: str, key: str, record: Record, png: bytes) -> None: ...
    def file(self, run_id: str, folder: str, name: str, data: bytes) -> None: ...

    def generator(self, run_id: str, folder: Folder) -> None:
        """Record a generator's folder as the model that the run made. Raises GeneratorError."""
        ...

    def register(self, run_id: str, name: str) -> str:
        """The version of the registered model of this name that is the run's generator."""
        ...

    def version_page(self, name: str, version: str) -> str | None:
        """The address of the web page of a registered model's version, if known."""
        ...

    def end(self, run_id: str, status: Status) -> None: ...


class NoTracker:
    """Records nothing."""

    home = "none"

    def begin(self, key: str, name: str, tags: Mapping[str, str], parent: str | None) -> str:
        return key

    def page(self, run_id: str) -> str | None:
        return None

    def resume(self, run_id: str, parent: str | None) -> None: ...
    def params(self, run_id: str, params: Mapping[str, Any]) -> None: ...
    def tags(self, run_id: str, tags: Mapping[str, str]) -> None: ...
    def dataset(self, run_id: str, dataset: DatasetUsed) -> None: ...
    def metrics(self, run_id: str, records: Sequence[Record]) -> None: ...
    def image(self, run_id: str, key: str, record: Record, png: bytes) -> None: ...
    def file(self, run_id: str, folder: str, name: str, data: bytes) -> None: ...
    def generator(self, run_id: str, folder: Folder) -> None: ...

    def register(self, run_id: str, name: str) -> str:
        raise TrackingError(f"{self.home} registers no models: name an MLflow store with tracking.uri.")

    def version_page(self, name: str, version: str) -> str | None:
        return None

    def end(self, run_id: str, status: Status) -> None: ...


class JsonLines(NoTracker):
    """One file of JSON lines per run, under results/tracking. Pictures and files stay in the run's folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.home = f"jsonl:{folder.uri}"

    def begin(self, key: str, name: str, tags: Mapping[str, str], parent: str | None) -> str:
        self._add(key, [{"begin": name, "tags": dict(tags), "parent": parent}])
        return key

    def params(self, run_id: str, params: Mapping[str, Any]) -> None:
        self._add(run_id, [{"params": dict(params)}])

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._add(run_id, [{"tags": dict(tags)}])

    def dataset(self, run_id: str, dataset: DatasetUsed) -> None:
        known = {"fingerprint": dataset.fingerprint, "address": dataset.address, "context": dataset.context}
        self._add(run_id, [{"dataset": dataset.name} | known])

    def metrics(self, run_id: str, records: Sequence[Record]) -> None:
        self._add(run_id, [{"step": each.step, "time_ms": each.time_ms, **each.metrics} for each in records])

    def end(self, run_id: str, status: Status) -> None:
        """The last line says how the run ended: a failed run may fail again, and finish later."""
        line = json.dumps({"end": status})
        lines = self._lines(run_id)
        if lines[-1:] != [line]:
            self._write(run_id, [*lines, line])

    def _add(self, run_id: str, values: Sequence[Mapping[str, Any]]) -> None:
        lines = self._lines(run_id)
        known = set(lines)
        self._write(run_id, lines + [line for line in map(json.dumps, values) if line not in known])

    def _lines(self, run_id: str) -> list[str]:
        name = f"{run_id}.jsonl"
        return (self.folder.find(name) or b"").decode().splitlines()

    def _write(self, run_id: str, lines: Sequence[str]) -> None:
        self.folder.write(f"{run_id}.jsonl", "".join(f"{line}\n" for line in lines).encode())
