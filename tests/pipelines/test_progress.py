"""Progress: one updated line on a terminal, a line a minute elsewhere, and never the end of the work."""

import io
import logging
import os
import pty
import re
from contextlib import suppress

import pytest
from rich.console import Console
from rich.progress import Progress

from preimage.cli.screen import LogLines
from preimage.errors import OutputError
from preimage.pipelines.progress import Bars, Lines, showing


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def lines():
    """Lines on a narrow console, its clock, and what was printed."""
    console, clock = Console(file=io.StringIO(), width=20), Clock()
    return Lines(console, clock), clock, lambda: console.file.getvalue().splitlines()


def test_a_long_task_has_a_line_soon_and_then_one_a_minute(lines):
    display, clock, said = lines
    advance = display.task("training")
    for second in range(601):
        clock.now = float(second)
        advance(second * 100, 60_000)
    assert len(said()) == 11
    assert said()[0] == "  training: 500 of 60,000 (1%)", "too early to foretell the end"
    assert said()[1] == "  training: 6,500 of 60,000 (11%), 100/s, 9 minutes left"
    assert said()[-1] == "  training: 60,000 in 10 minutes"
    advance(60_000, 60_000)
    assert len(said()) == 11, "an end that is told twice is shown once"


def test_a_quick_task_says_in_its_first_line_how_long_it_takes(lines):
    display, clock, said = lines
    advance = display.task("training")
    for second in range(7):
        clock.now = float(second)
        advance(second * 100, 10_000)
    assert said() == ["  training: 500 of 10,000 (5%), 100/s, 2 minutes left"]


def test_a_task_that_ends_soon_is_not_mentioned(lines):
    display, clock, said = lines
    for done in range(11):
        clock.now += 0.3
        display.task("quick")(done, 10)
    assert said() == []


def test_a_task_that_was_done_already_is_not_mentioned(lines):
    display, clock, said = lines
    advance = display.task("old")
    clock.now = 100.0
    advance(10, 10)
    assert said() == []


def test_a_bar_goes_when_its_task_ends_and_a_line_stays_of_a_long_one():
    clock, console = Clock(), Console(file=io.StringIO(), force_terminal=True, width=80)
    with Progress(console=console, transient=True, auto_refresh=False) as progress:
        display = Bars(progress, clock)
        for name, took in (("short", 1.0), ("long", 90.0)):
            advance = display.task(name)
            advance(1, 10)
            assert [task.description for task in progress.tasks] == [name]
            clock.now += took
            advance(10, 10)
            assert progress.tasks == []
    assert "long: 10 in 2 minutes" in console.file.getvalue()
    assert "short: 10" not in console.file.getvalue()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OutputError("full")])
def test_work_goes_on_where_nothing_can_be_shown(error):
    class Full(io.StringIO):
        def write(self, text):
            raise error

    console = Console(file=Full())
    with showing(console) as display:
        display.say("hello")
        display.task("work")(1, 2)
    with pytest.raises(type(error)):
        console.print("what is said afterwards fails again")


def test_color_that_is_forced_into_a_pipe_makes_no_bar():
    console = Console(file=io.StringIO(), force_terminal=True)
    with showing(console) as display:
        assert isinstance(display, Lines)


def test_a_log_line_is_above_the_bar(monkeypatch):
    """On a terminal: the bar's line is erased before, and drawn again after."""
    ours, theirs = pty.openpty()
    terminal = os.fdopen(theirs, "w")
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    logger = logging.Logger("test")
    logger.addHandler(LogLines(Console(stderr=True)))
    with showing(Console(width=80)) as display:
        assert isinstance(display, Bars)
        advance = display.task("training")
        advance(1, 10)
        display.progress.refresh()
        logger.warning("mind the gap")
        advance(2, 10)
        display.progress.refresh()
    terminal.close()
    said = _all_of(ours).decode()
    os.close(ours)
    before, warning, after = said.partition("mind the gap")
    assert warning
    assert re.search(r"\r(\x1b\[\?25l)?\x1b\[2K[^\r\n]*WARNING", before), "over a line that was erased"
    assert "training" in after.partition("\n")[2], "and the bar is drawn again"
    assert after.removesuffix("\x1b[?25h").endswith("\x1b[2K"), "nothing stays of it"


def _all_of(terminal: int) -> bytes:
    """What a terminal shows whose other end is closed; one read returns only a part of it."""
    parts: list[bytes] = []
    with suppress(OSError):  # Linux's way to say that this is the end
        while part := os.read(terminal, 1 << 16):
            parts.append(part)
    return b"".join(parts)
