"""A run's folder: everything a run leaves. Trackers mirror it; it never depends on them.

run.json       job, name, fingerprint, how it is made, tracking run, commit, versions
spec.yaml      the resolved spec, ready to run again
log/           one record of metrics per file, named by images seen
samples/       grids of samples, named by images seen
system/        system metrics of its nodes, named by time
figures/       plots and grids
generator/     store/     classifier/     prior/     checkpoints/
progress.json  how far the work is
device.json    what it is computed on
attempts.json  when its job worked, and how each attempt ended
cost.json      what its job cost, for estimates of later ones
report.html    all of it on one page, of the run that was asked for: not of a pipeline's step
outcome.json   the result; written last, so a run that has one is finished
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from preimage.config import Config
from preimage.errors import StorageError
from preimage.runs.metrics import flatten
from preimage.storage.folder import Folder, as_json
from preimage.storage.formats import OUTCOME, RUN, Kind
from preimage.storage.validated_json import LooseRecord, or_none, read_or_none


@dataclass(frozen=True)
class Outcome:
    """The result of a finished run: what outcome.json holds, its format aside."""

    kept_as: ClassVar[Kind] = OUTCOME
    job: str
    name: str
    run: str
    """The run folder's name, which every verb accepts."""
    fingerprint: str
    metrics: dict[str, Any]
    """Final metrics by plain names."""
    folder: str
    products: dict[str, str] = field(default_factory=dict)
    """Addresses of its products, such as `generator` and `store`."""
    figures: dict[str, str] = field(default_factory=dict)
    """Addresses of its pictures, by name."""
    mlflow_run_id: str | None = None
    """Its run in the tracker when it ended; run.json has its latest."""
    steps: dict[str, Any] | None = None
    """A pipeline's steps by name, each with its own outcome."""
    headline: list[str] = field(default_factory=list)
    """The names of the metrics that a user wants to see first; dotted for nested ones."""
    seconds: float | None = None
    """How long its job worked, over all attempts; of a pipeline and a study, the sum of their runs."""
    cost: dict[str, int] = field(default_factory=dict)
    """What the job costs, as it counts, such as images seen."""
    hardware: dict[str, Any] | None = None
    """What it worked on, if all attempts worked on the same: see `preimage.hardware`."""

    @property
    def headlines(self) -> dict[str, Any]:
        """The metrics that a user wants to see first, by their names."""
        flat = flatten(self.metrics)
        return {name: flat[name] for name in self.headline if name in flat}

    def plain(self) -> dict[str, Any]:
        """As plain values, without those that say nothing."""
        return {
            key: value for key, value in vars(self).items() if value not in (None, {}, []) or key == "metrics"
        }


class _Input(LooseRecord):
    """A product that a run used."""

    product: str
    address: str


class _About(LooseRecord):
    """The fields of run.json that others rely on."""

    kept_as: ClassVar[Kind] = RUN
    job: str
    name: str
    fingerprint: str
    key: str
    created: str
    inputs: dict[str, _Input] = Field(default_factory=dict)
    dataset: dict[str, str] | None = None
    images: dict[str, str] = Field(default_factory=dict)
    steps: dict[str, str] = Field(default_factory=dict)
    """A pipeline's: the run of each step, by its name."""
    varied: dict[str, Any] = Field(default_factory=dict)
    """A trial's values of its study's space, by dotted key."""
    title: str = ""
    """What the tracker calls it; empty in runs of earlier versions."""
    what: str = ""
    """What it is, in one sentence."""
    made_by: str = ""
    git_commit: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    mlflow_run_id: str | None = None
    part_of: str | None = None


class _Row(Config):
    """A file in log/."""

    model_config = ConfigDict(strict=True)

    images: int
    time_ms: int
    metrics: dict[str, float]


class _Progress(Config):
    """progress.json."""

    model_config = ConfigDict(strict=True)

    done: int
    total: int
    rate: float
    pid: int
    time: float


class _Device(Config):
    """device.json."""

    device: Literal["cpu", "cuda"]


RUN_FILES = ("outcome.json", "run.json")
"""Without these a folder is no run's: what is removed first."""
REPORT = "report.html"
Curves = dict[str, list[tuple[int, float]]]
"""Metrics by name, each over images seen."""

_OUTCOME = TypeAdapter(Outcome)


@dataclass(frozen=True)
class RunFolder:
    """One run's folder on any filesystem; it can be sent to workers."""

    folder: Folder

    @property
    def name(self) -> str:
        return self.folder.name

    def product(self, name: str) -> Folder:
        """The folder of one of the run's products: see `products`."""
        return self.folder / name

    @property
    def figures(self) -> Folder:
        return self.folder / "figures"

    def record(self, images: int, metrics: dict[str, float], kind: str = "") -> None:
        """Record metrics at this many images seen. A whole record stays: resumed runs repeat steps.

        kind: distinguishes records at the same number of images; they are read in the order of kinds.
        """
        name = f"{images:012d}{'.' if kind else ''}{kind}.json"
        if read_or_none(self._log, name, _Row) is None:
            record = {"images": images, "time_ms": int(time.time() * 1000), "metrics": metrics}
            self._log.write(name, json.dumps(record).encode())

    def records(self, after: str = "") -> dict[str, dict[str, Any]]:
        """The records by file name, in the order of images seen; without those that are not JSON.

        Raises StorageError for one of another version.
        """
        names = [name for name in self._log.names() if name > after]
        texts = zip(names, self._log.read_all(names), strict=True)
        found = {name: or_none(text, self._log / name, _Row) for name, text in texts}
        return {name: row for name, row in found.items() if row is not None}

    def curves(self) -> Curves:
        """Every recorded metric."""
        found: Curves = {}
        for row in self.records().values():
            for name, value in row["metrics"].items():
                found.setdefault(name, []).append((row["images"], value))
        return found

    def curve(self, metric: str) -> list[tuple[int, float]]:
        """One metric over images seen."""
        return self.curves().get(metric, [])

    def has_samples(self, images: int) -> bool:
        return self.samples.find(f"{images:012d}.png") is not None

    def add_samples(self, images: int, png: bytes) -> None:
        self.samples.write(f"{images:012d}.png", png)

    @property
    def samples(self) -> Folder:
        return self.folder / "samples"

    @property
    def system(self) -> Folder:
        return self.folder / "system"

    def show_progress(self, done: int, total: int, rate: float, pid: int) -> None:
        """Write how far the work is: images done, images in all, images per second, and the process id."""
        state = {"done": done, "total": total, "rate": round(rate, 2), "pid": pid, "time": time.time()}
        self.folder.write_json("progress.json", state, durable=False)

    def forget_progress(self) -> None:
        """Remove an earlier attempt's progress before work begins again."""
        self.folder.remove("progress.json")

    def progress(self) -> dict[str, Any] | None:
        """The latest progress. Raises StorageError if the file was altered."""
        return read_or_none(self.folder, "progress.json", _Progress)

    def device(self) -> str | None:
        """What the run is computed on: `cpu` or `cuda`. Raises StorageError if the file was altered."""
        found = read_or_none(self.folder, "device.json", _Device)
        return found["device"] if found else None

    def compute_on(self, device: str) -> None:
        self.folder.write_json("device.json", {"device": device})

    def about(self) -> dict[str, Any]:
        """What run.json holds.

        Raises StorageError if there is none (see `about_or_none`), FormatError if it is of another format.
        """
        if (found := self.about_or_none()) is None:
            raise StorageError(
                f"{self.folder.uri} has no whole run.json: run the command that made it again, which writes "
                "it anew."
            )
        return found

    def about_or_none(self) -> dict[str, Any] | None:
        """What run.json holds; None if it is missing or not JSON.

        Raises StorageError if it was altered, FormatError if it is of another format.
        """
        return read_or_none(self.folder, "run.json", _About)

    @property
    def made_by(self) -> str:
        """How what it leaves is made, in one line; empty where run.json does not say."""
        return (self.about_or_none() or {}).get("made_by", "")

    @property
    def page(self) -> str | None:
        """The address of its page in the tracker, if a server has one."""
        return (self.about_or_none() or {}).get("mlflow_page")

    def finish(self, outcome: Outcome) -> None:
        self.folder.commit("outcome.json", as_json(OUTCOME.stamp() | outcome.plain()))

    def outcome(self) -> Outcome | None:
        """The result of a finished run, else None.

        Raises StorageError if the file was altered, FormatError if it is of another format.
        """
        found = read_or_none(self.folder, "outcome.json", Outcome)
        return _OUTCOME.validate_python(found) if found is not None else None

    @property
    def _log(self) -> Folder:
        return self.folder / "log"
