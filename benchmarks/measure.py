"""Two ways of doing one thing, measured in turn: A B A B. A measurement is the median over the pairs."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Clock = Literal["processor", "wall"]
"""Whose seconds: those of the processor, of all threads, which other processes change little, or those that
pass."""


@dataclass(frozen=True)
class Measurement:
    """One line of the table."""

    name: str
    value: float
    unit: str
    low: float
    """The first quartile of the pairs, or of the repetitions."""
    high: float
    """The third."""
    aim: float | None = None
    """At least so much; None where there is nothing to compare with."""
    note: str = ""
    at_most: bool = False
    """The aim is not to be exceeded."""
    clock: Clock | None = "wall"
    """None for what is counted and not timed."""

    @property
    def meets(self) -> bool | None:
        if self.aim is None:
            return None
        return self.value <= self.aim if self.at_most else self.value >= self.aim


@dataclass(frozen=True)
class Skipped:
    """A row that this machine cannot measure."""

    name: str
    reason: str


@dataclass(frozen=True)
class Failed:
    """A row whose benchmark could not do what it measures, or refused its result."""

    name: str
    reason: str


Row = Measurement | Skipped | Failed


def measured(
    name: str,
    values: Sequence[float],
    unit: str,
    aim: float | None = None,
    note: str = "",
    clock: Clock | None = "wall",
) -> Measurement:
    """The median of the values, and their quartiles."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Measurement(name, statistics.median(values), unit, low, high, aim, note, clock=clock)


def in_turn(
    one: Callable[[], object],
    other: Callable[[], object],
    pairs: int,
    clean: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[tuple[float, float]]:
    """Seconds of each of the two, `pairs` times; once unmeasured before. `clean` is not timed. A clock of
    `time.process_time` counts those of all threads, and not what other processes take."""
    found = []
    for _ in range(pairs + 1):
        clean()
        found.append((seconds(one, clock), seconds(other, clock)))
    return found[1:]


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    begin = clock()
    work()
    return clock() - begin


def cpu_seconds(work: Callable[[], object]) -> float:
    """Of the processor, of all threads of this process."""
    return seconds(work, time.process_time)


def processor_seconds(words: Sequence[str], **added: str) -> float:
    """Those of a new Python process, which other processes on this machine change little. added: to its
    environment."""
    before = _of_children()
    command = [sys.executable, *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **added})
    return _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
