"""Lines on a terminal that can be copied: nothing is cut, wrapped or taken for rich's markup."""

import logging
import sys
from collections.abc import Iterable, Sequence
from textwrap import wrap

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

NARROW = 70
"""Columns below which rich's panels and tables cut what they hold."""
PROSE = 24
"""Columns that prose needs beside others."""
GAP, INDENT = 2, 4
Cell = str | Text


def line(console: Console, *parts: str | Text | tuple[str, str]) -> None:
    """Print one line: texts as they are, and (text, style)."""
    console.print(Text.assemble(*parts), soft_wrap=True)


def table(
    console: Console, rows: Iterable[Sequence[Cell]], header: Sequence[str] = (), prose: bool = False
) -> None:
    """Print rows in columns as wide as their longest cell.

    Where a terminal is too narrow, three columns or more with a header become a block of lines for each row:
    a column's name and its cell. Of two, the first stays aligned if it takes at most half of the terminal;
    otherwise nothing is. prose: whether the last column is of sentences,
    which may be broken between words to fit a terminal, and stand below where only the others fit.
    """
    cells = [[each if isinstance(each, Text) else Text(each) for each in row] for row in rows]
    named = [[Text(each, "bold") for each in header]] if header else []
    widths = [max(map(_width, column)) for column in zip(*named, *cells, strict=True)]
    before = sum(each + GAP for each in widths[:-1])
    last = PROSE if prose else max(widths[-1:], default=0)
    narrow = console.is_terminal and before + last > console.width
    others_fit = prose and before - GAP <= console.width
    if narrow and len(header) > 2 and not others_fit:
        _blocks(console, cells, header)
        return
    if prose and console.is_terminal:
        start = INDENT if narrow else before
        cells = [[*row[:-1], _folded(row[-1], start, console.width - start, narrow)] for row in cells]
    keeps_columns = not narrow or others_fit or (len(widths) == 2 and before <= console.width // 2)
    widths = widths if keeps_columns else [0] * len(widths)
    for row in [*named, *cells]:
        line(console, *(_padded(cell, width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1])


def facts(console: Console, found: Iterable[tuple[str, Cell]], indent: int = 0, width: int = 8) -> None:
    """Print lines, each a label and what it says."""
    for label, fact in found:
        line(console, " " * indent, f"{label:<{width}} ", fact)


def commands(console: Console, found: Sequence[tuple[str, str]], title: str = "next") -> None:
    """Print what to try next: (command, what it does). Each line can be pasted as a whole.

    Where a terminal is too narrow for one of them, what each does stands above it.
    """
    if found:
        line(console, ("\n" + title, "bold"))
    widest = max((cell_len(f"  {command}  # {what}") for command, what in found), default=0)
    above = console.is_terminal and widest > console.width
    for command, what in found:
        if above and what:
            line(console, (f"  # {what}", "dim"))
        beside = [(f"  # {what}", "dim")] if what and not above else []
        line(console, "  ", (command, "cyan"), *beside)


def _blocks(console: Console, rows: Sequence[Sequence[Text]], header: Sequence[str]) -> None:
    width = max(map(cell_len, header))
    for i, row in enumerate(rows):
        if i:
            line(console)
        for name, cell in zip(header, row, strict=True):
            if cell.plain:
                line(console, _padded(Text(name, "bold"), width), cell)


def _padded(cell: Text, width: int) -> Text:
    padded = cell.copy()
    padded.append(" " * (max(width - _width(cell), 0) + GAP))
    return padded


def _width(cell: Text) -> int:
    return cell_len(cell.plain)


def _folded(cell: Text, start: int, room: int, below: bool) -> Text:
    """Sentences in lines that fit beside other columns, or below them; a word is never broken."""
    lines = wrap(cell.plain, max(room, PROSE), break_long_words=False, break_on_hyphens=False)
    return Text(("\n" + " " * start).join(["", *lines] if below else lines), cell.style)


class LogLines(logging.Handler):
    """Prints log records, above a progress bar if there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "red" if record.levelno >= logging.ERROR else "yellow"
        try:
            with self._console.capture() as captured:
                line(self._console, (f"{record.levelname:<8} ", style), self.format(record))
            sys.stderr.write(captured.get())  # a bar replaces sys.stderr, but not what a console has found
            sys.stderr.flush()
        except Exception:  # as every handler: a log record must not end the program
            self.handleError(record)
