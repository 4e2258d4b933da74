"""Every crash point of a job: disturb it there, run it again, and compare what it leaves."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EIO, ENOSPC
from functools import cached_property
from os import strerror
from typing import Any, Literal, get_args

import pytest

from preimage.errors import PreimageError, StorageError, TrackingError
from preimage.pipelines import execute
from preimage.storage import schemes
from preimage.storage.local import LocalStorage
from preimage.tracking.mirror import Mirror
from preimage.training import loop
from simulation.posix import (
    EMPTY,
    Disk,
    FileNode,
    Image,
    SimulatedPosix,
    after_power_loss,
    files,
)
from simulation.products import products

ROOT = "sim:///results"
Mode = Literal["kill", "lost", "torn", "mixed", "twice", "error", "full"]
"""The process is killed, or the power lost (see `after_power_loss`) after a mutation; the power is lost again
while the job resumes; or a mutation fails once, or this one and all that need room until the process ends."""
MODES: tuple[Mode, ...] = get_args(Mode)
NEEDS_ROOM = ("create", "write", "mkdir")
EVERY = 10
"""Mutations between two looks of the tracker's mirror."""
AGAIN = 3
"""How often a job may have to be started again."""


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


@dataclass(frozen=True)
class Scenario:
    """A job as a user starts it, on a disk that may hold something already."""

    name: str
    run: Callable[[], None]
    before: Callable[[], None] = lambda: None
    """What is there already when the job is first started."""


class Machine:
    """A disk that outlives the processes that work on it, one after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.disk = Disk()
        posix = SimulatedPosix(self.disk)
        storage = LocalStorage(posix, _NobodyToWaitFor(), is_local=False, scheme="sim://")
        monkeypatch.setitem(schemes.SCHEMES, "sim", lambda scheme, rest: (storage, rest))
        monkeypatch.setattr(loop.Clock, "due", lambda self: False)  # progress is due by the real clock
        monkeypatch.setattr(execute, "Follower", lambda mirror: _Follower(mirror, self.disk))

    def run(self, image: Image, run: Callable[[], None]) -> Image:
        """Work on a disk with this content in a new process. Returns what it leaves."""
        self.disk.load(image)
        run()
        return dict(self.disk.nodes)


class _NobodyToWaitFor:
    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("the only process waits for another")

    def every(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class _Follower:
    """Follows a run after every few mutations, as the mirror's thread might."""

    def __init__(self, mirror: Mirror, disk: Disk) -> None:
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
        self.base = _durable(self.machine.run(EMPTY, self.scenario.before))
        self.tried: dict[str, str] = {}
        self.machine.run(self.base, self.scenario.run)
        self.trace = list(self.machine.disk.trace)

    @cached_property
    def wanted(self) -> dict[str, Any]:
        return products(self.trace[-1].image)

    def points(self, mode: Mode, seed: int = 0) -> Iterator[Point]:
        for number, mutation in enumerate(self.trace):
            if mode != "kill" or mutation.is_visible:
                yield Point(self.scenario.name, mode, number, seed)

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
        if point.mode in ("error", "full"):
            image, outcome = self._disturbed(point)
            return outcome + self._recovered(image)
        image, how = self.trace[point.number].image, point.mode
        if how in ("lost", "torn", "mixed"):
            image = after_power_loss(image, how, str(point))  # pyright: ignore[reportArgumentType]
        if how == "twice":
            image = after_power_loss(image, "mixed", str(point))
            self.machine.run(image, self.scenario.run)
            trace = self.machine.disk.trace
            if trace:
                image = trace[hash_of(str(point)) % len(trace)].image
            image = after_power_loss(image, "mixed", f"{point} again")
        return self._recovered(image)

    def _disturbed(self, point: Point) -> tuple[Image, str]:
        """What a process leaves that met a failing disk, and how it took it."""

        def before(number: int, name: str) -> None:
            if point.mode == "error" and number == point.number:
                raise OSError(EIO, strerror(EIO))
            if point.mode == "full" and number >= point.number and name in NEEDS_ROOM:
                raise OSError(ENOSPC, strerror(ENOSPC))

        with self._failing(before):
            try:
                image, outcome = self.machine.run(self.base, self.scenario.run), "went on, "
            except PreimageError:
                image, outcome = dict(self.machine.disk.nodes), "stopped with a message, "
        return image, outcome

    @contextmanager
    def _failing(self, before: Callable[[int, str], None]) -> Iterator[None]:
        disk, usual = self.machine.disk, self.machine.disk.before
        disk.before = before
        try:
            yield
        finally:
            disk.before = usual

    def _recovered(self, image: Image) -> str:
        """Run the job on what is left. The same content was tried before: a run depends on nothing else."""
        state = hash_of(sorted(files(image).items()))
        if state in self.tried:
            return f"{self.tried[state]} (the same content as before)"
        left = self.machine.run(image, self.scenario.run)
        outcome = "resumed" if self.machine.disk.trace else "nothing was left to do"
        _require_same(products(left), self.wanted)
        later = after_power_loss(left, "lost")
        if products(later) != self.wanted:
            _require_same(products(self.machine.run(later, self.scenario.run)), self.wanted)
            outcome += ", and again after a later loss of power"
        self.tried[state] = outcome
        return outcome


def hash_of(value: Any) -> int:
    return int.from_bytes(hashlib.sha256(repr(value).encode()).digest()[:8])


def _durable(image: Image) -> Image:
    """The same content, all of it synced."""
    return {
        number: FileNode(node.data, node.data) if isinstance(node, FileNode) else type(node)(node.entries, node.entries)
        for number, node in image.items()
    }


def _require_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    missing, more = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    assert not missing, f"missing: {missing}"
    assert not more, f"more than undisturbed: {more}"
    for path, value in wanted.items():
        assert found[path] == value, f"{path} differs"
