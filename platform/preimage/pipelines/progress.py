"""Progress of running work: bars on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

OnProgress = Callable[[int, int], None]

QUIET_EVERY = 10.0
"""Seconds between two lines if there is no terminal."""


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
    """A line every ten seconds and one at the end of a task."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        self.console.print(text)

    def task(self, name: str) -> OnProgress:
        begin = shown = time.monotonic()
        first: int | None = None

        def advance(done: int, total: int) -> None:
            nonlocal shown, first
            now = time.monotonic()
            first = done if first is None else first
            if total and done > first and (done >= total or now - shown >= QUIET_EVERY):
                rate = (done - first) / (now - begin)
                speed = f", {rate:,.0f}/s" if rate >= 1 else ""  # trials are slower than images
                self.console.print(f"  {name}: {done:,} of {total:,} ({done / total:.0%}){speed}")
                shown = now

        return advance


class Bars:
    """A progress bar for each task."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def say(self, text: str) -> None:
        self.progress.console.print(text)

    def task(self, name: str) -> OnProgress:
        task: TaskID | None = None

        def advance(done: int, total: int) -> None:
            nonlocal task
            if task is None:  # no bar for a task that is already done
                task = self.progress.add_task(f"  {name}", total=total)
            self.progress.update(task, completed=min(done, total))

        return advance


@contextmanager
def showing(console: Console) -> Iterator[Display]:
    """Bars on a terminal or in a notebook, lines elsewhere."""
    if not (console.is_terminal or console.is_jupyter):
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)
