"""Progress of running work: one line that is updated on a terminal, a line a minute elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from preimage.pipelines.lossy_stream import LossyStream
from preimage.readable import duration

OnProgress = Callable[[int, int], None]

FIRST, EVERY = 5.0, 60.0
"""Seconds until a task's first line if there is no terminal, and between two lines. A task that ends before
its first is not mentioned."""
WARM = 0.02
"""The share of a task before which its first line foretells no end: its start is slower than the rest."""
WIDE = 70
"""Columns that a whole bar needs."""


class Display(Protocol):
    """Shows tasks to the user, one after another."""

    def task(self, name: str) -> OnProgress:
        """Begin a task. Call the returned function with the number of images done and the total."""
        ...

    def say(self, text: str) -> None: ...


class Silent:
    """Shows nothing."""

    def task(self, name: str) -> OnProgress:
        return lambda done, total: None

    def say(self, text: str) -> None: ...


class Lines:
    """A line a minute, and one when a task that had one ends."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.clock = console, clock

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def task(self, name: str) -> OnProgress:
        begin: tuple[float, int] | None = None
        due, shown, ended = self.clock() + FIRST, (0.0, 0), False

        def advance(done: int, total: int) -> None:
            nonlocal begin, due, shown, ended
            now = self.clock()
            if begin is None:
                begin = shown = (now, done)
            is_last = done >= total
            if ended or done <= begin[1] or (now < due and not (is_last and shown != begin)):
                return
            if is_last:
                text = f"{total:,} in {duration(now - begin[0])}"
            else:
                is_early = shown == begin and done < WARM * total
                rate = (done - shown[1]) / max(now - shown[0], 1e-9)
                left = "" if is_early else _left(rate, total - done)
                text = f"{done:,} of {total:,} ({done / total:.0%}){left}"
            self.console.print(f"  {name}: {text}", soft_wrap=True, highlight=False, markup=False)
            due, shown, ended = now + EVERY, (now, done), is_last

        return advance


class Bars:
    """A bar for each task that runs; a line stays of one that took a while."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self.progress, self.clock = progress, clock

    def say(self, text: str) -> None:
        self.progress.console.print(text, soft_wrap=True)

    def task(self, name: str) -> OnProgress:
        bar: TaskID | None = None
        begin = self.clock()

        def advance(done: int, total: int) -> None:
            nonlocal bar
            if done < total:
                if bar is None:
                    bar = self.progress.add_task(name, total=total)
                self.progress.update(bar, completed=done, total=total)
            elif bar is not None:
                self.progress.remove_task(bar)
                bar, took = None, self.clock() - begin
                if took >= FIRST:
                    text = f"  {name}: {total:,} in {duration(took)}"
                    self.progress.console.print(text, soft_wrap=True, highlight=False, markup=False)

        return advance


@contextmanager
def showing(console: Console) -> Iterator[Display]:
    """A bar on a terminal or in a notebook, lines elsewhere. Work goes on where neither can be written."""
    stream = console.file
    console.file = cast(TextIO, LossyStream(stream))
    try:
        is_live = stream.isatty() and console.is_terminal and not console.is_dumb_terminal
        if not (is_live or console.is_jupyter):
            yield Lines(console)
            return
        with Progress(
            *_columns(console.width),
            console=console,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what goes to a file stays there
            redirect_stderr=sys.stderr.isatty(),
        ) as progress:
            yield Bars(progress)
    finally:
        console.file = stream


def _left(rate: float, more: int) -> str:
    """The speed, and the time until the end at that speed."""
    if rate <= 0:
        return ""
    speed = f", {rate:,.0f}/s" if rate >= 1 else ""  # trials are slower than images
    return f"{speed}, {duration(more / rate)} left"


def _columns(width: int) -> list[ProgressColumn]:
    name, left = TextColumn("  {task.description}", markup=False), TimeRemainingColumn()
    if width < WIDE:
        return [name, TextColumn("{task.percentage:.0f}%"), left]
    return [name, BarColumn(bar_width=width // 4), MofNCompleteColumn(), left, TextColumn("left")]
