"""Every crash point of a job: disturb it there, run it again, and compare what it leaves."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EIO, ENOSPC
from functools import cached_property
from os import strerror
from typing import Any, BinaryIO, Literal

import pytest
from matplotlib.figure import Figure
from PIL import Image

from preimage.cluster import ray_jobs, status
from preimage.errors import PreimageError, StorageError, TrackingError
from preimage.pipelines import execute, lifecycle
from preimage.storage import folder, schemes
from preimage.tracking.mirror import Mirror
from preimage.training import clock, loop
from simulation.bucket import Bucket
from simulation.cluster import Cluster
from simulation.image import after_power_loss
from simulation.posix import Disk, Mutation
from simulation.products import NOT_DURABLE, products

ROOT = "sim:///results"
Mode = Literal["kill", "lost", "torn", "mixed", "twice", "error", "full", "unanswered"]
"""The process is killed, or the power lost (see `after_power_loss`) after a mutation; the power is lost again
while the job resumes; or a mutation fails once, or this one and all that need room until the process ends; or
a request to an object store was done, and reports an error."""
MODES: dict[type, tuple[Mode, ...]] = {
    Disk: ("kill", "lost", "torn", "mixed", "twice", "error", "full"),
    Bucket: ("kill", "error", "unanswered"),
}
NEEDS_ROOM = ("create", "write", "mkdir")
EVERY = 25
"""Mutations between two looks of the tracker's mirror."""


@dataclass(frozen=True)
class Point:
    """Where and how a job is disturbed."""

    job: str
    mode: Mode
    number: int
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.job}:{self.mode}:{self.number}:{self.seed}"

    @classmethod
    def of(cls, text: str) -> "Point":
        job, mode, number, seed = text.split(":")
        return cls(job, mode, int(number), int(seed))  # pyright: ignore[reportArgumentType]


PIXELS = 2000
"""Of a row of a described figure."""


@dataclass(frozen=True)
class Scenario:
    """A job as a user starts it, on a disk that may hold something already."""

    name: str
    run: Callable[[], None]
    before: Callable[[], None] = lambda: None
    """What is there already when the job is first started."""


class Machine:
    """A disk or a bucket that outlives the processes that work on it, one after another."""

    def __init__(self, medium: Disk | Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.medium: Any = medium
        monkeypatch.setitem(schemes.SCHEMES, "sim", self._opened)
        monkeypatch.setattr(clock.Clock, "due", lambda self: False)  # progress is due by the real clock
        monkeypatch.setattr(execute, "Follower", lambda mirror: _Follower(mirror, medium))
        monkeypatch.setattr(Figure, "savefig", _described)
        monkeypatch.setattr(loop, "GRID", 4)
        monkeypatch.setattr(folder, "AT_ONCE", 1)
        monkeypatch.setattr(lifecycle, "git_commit", lambda: None)  # two processes for every run
        monkeypatch.setattr(ray_jobs, "Jobs", Cluster)
        monkeypatch.setattr(status, "Jobs", Cluster)

    def _opened(self, scheme: str, rest: str) -> schemes.Opened:
        return self.medium.storage, rest if isinstance(self.medium, Disk) else rest.lstrip("/")

    def run(self, image: Any, run: Callable[[], None]) -> Any:
        """Work in a new process on what there is. Returns what it leaves."""
        self.medium.load(image)
        run()
        return self.medium.image()

    def products(self, image: Any) -> dict[str, Any]:
        return products(self.medium.files(image))


def _described(figure: Figure, stream: BinaryIO, **settings: Any) -> None:
    """The lines and texts of a figure as grey pixels: drawing it takes longer than all the rest."""
    found = [
        (axes.get_title(), axes.get_xlabel(), [line.get_xydata().tolist() for line in axes.lines])
        for axes in figure.axes
    ]
    text = repr(found).encode()
    rows = -(-len(text) // PIXELS)
    Image.frombytes("L", (PIXELS, rows), text.ljust(PIXELS * rows)).save(stream, "png")


class _Follower:
    """Follows a run after every few mutations, as the mirror's thread might."""

    def __init__(self, mirror: Mirror, disk: Disk | Bucket) -> None:
        self.mirror, self.disk, self.follows = mirror, disk, False

    def __enter__(self) -> "_Follower":
        self.disk.after = self.look
        return self

    def __exit__(self, *_: object) -> None:
        self.disk.after = lambda number: None

    def look(self, number: int) -> None:
        if number % EVERY or self.follows:
            return
        self.follows = True
        try:
            self.mirror.follow()
        except (TrackingError, StorageError) as error:
            logging.getLogger("preimage").warning("%s", error)
        finally:
            self.follows = False


@dataclass
class Crashes:
    """A job's undisturbed run, and what comes of others that are disturbed."""

    scenario: Scenario
    machine: Machine
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        medium = self.machine.medium
        self.base = medium.durable(self.machine.run(medium.image(), self.scenario.before))
        self.tried: dict[int, str] = {}
        self.machine.run(self.base, self.scenario.run)
        self.trace: list[Mutation] = list(medium.trace)

    @cached_property
    def wanted(self) -> dict[str, Any]:
        return self.machine.products(self.trace[-1].image)

    @property
    def name(self) -> str:
        return f"{self.scenario.name}@{type(self.machine.medium).__name__.lower()}"

    def points(self, mode: Mode, seed: int = 0) -> Iterator[Point]:
        for number, mutation in enumerate(self.trace):
            if mode != "kill" or mutation.is_visible:
                yield Point(self.name, mode, number, seed)

    def attempt(self, point: Point) -> str:
        """Returns what came of it. Raises AssertionError, with the text that tries it again alone."""
        try:
            outcome = self._attempt(point)
        except BaseException as error:
            error.add_note(f"again: PREIMAGE_CRASH_POINT={point} make crash-points")
            raise
        self.outcomes[outcome] += 1
        return outcome

    def _attempt(self, point: Point) -> str:
        if point.mode in ("error", "unanswered", "full"):
            image, outcome = self._disturbed(point)
            return outcome + self._recovered(image)
        image, how = self.trace[point.number].image, point.mode
        if how in ("lost", "torn", "mixed"):
            image = after_power_loss(image, how, str(point))  # pyright: ignore[reportArgumentType]
        if how == "twice":
            image = after_power_loss(image, "mixed", str(point))
            self.machine.run(image, self.scenario.run)
            trace = self.machine.medium.trace
            if trace:
                image = trace[hash_of(str(point)) % len(trace)].image
            image = after_power_loss(image, "mixed", f"{point} again")
        return self._recovered(image)

    def _disturbed(self, point: Point) -> tuple[Any, str]:
        """What a process leaves that met a failing disk, and how it took it."""

        def before(number: int, name: str) -> None:
            if point.mode == ("unanswered" if name == "answer" else "error") and number == point.number:
                raise OSError(EIO, strerror(EIO))
            if point.mode == "full" and number >= point.number and name in NEEDS_ROOM:
                raise OSError(ENOSPC, strerror(ENOSPC))

        with self._failing(before):
            try:
                image, outcome = self.machine.run(self.base, self.scenario.run), "went on, "
            except PreimageError:
                image, outcome = self.machine.medium.image(), "stopped with a message, "
        return image, outcome

    @contextmanager
    def _failing(self, before: Callable[[int, str], None]) -> Iterator[None]:
        disk, usual = self.machine.medium, self.machine.medium.before
        disk.before = before
        try:
            yield
        finally:
            disk.before = usual

    def _recovered(self, image: Any) -> str:
        """Run the job on what is left. The same content was tried before: a run depends on nothing else."""
        state = hash_of(sorted(self.machine.medium.files(image).items()))
        if state in self.tried:
            return f"{self.tried[state]} (the same content as before)"
        left = self.machine.run(image, self.scenario.run)
        outcome = "resumed" if self.machine.medium.trace else "nothing was left to do"
        self._require_same(left)
        if isinstance(self.machine.medium, Disk):
            later = after_power_loss(left, "lost")
            if _lasting(self.machine.products(later)) != _lasting(self.wanted):
                self._require_same(self.machine.run(later, self.scenario.run))
                outcome += ", and again after a later loss of power"
        self.tried[state] = outcome
        return outcome

    def _require_same(self, image: Any) -> None:
        found, wanted = self.machine.products(image), self.wanted
        missing, more = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        assert not missing, f"missing: {missing}"
        assert not more, f"more than undisturbed: {more}"
        for path, value in wanted.items():
            assert found[path] == value, f"{path} differs"


def _lasting(found: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in found.items() if not path.endswith(NOT_DURABLE)}


def hash_of(value: Any) -> int:
    return int.from_bytes(hashlib.sha256(repr(value).encode()).digest()[:8])
