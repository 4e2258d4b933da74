"""Lines on a terminal that can be copied: nothing is cut, wrapped or taken for rich's markup."""

import logging
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text


def line(console: Console, *parts: str | Text | tuple[str, str]) -> None:
    """Print one line: texts as they are, and (text, style)."""
    console.print(Text.assemble(*parts), soft_wrap=True)


def table(console: Console, rows: Iterable[Sequence[str | Text]], header: Sequence[str] = ()) -> None:
    """Print rows in columns as wide as their longest cell."""
    cells = [[each if isinstance(each, Text) else Text(each) for each in row] for row in rows]
    cells = [[Text(each, "bold") for each in header], *cells] if header else cells
    widths = [max(cell_len(each.plain) for each in column) for column in zip(*cells, strict=True)]
    for row in cells:
        for cell, width in zip(row[:-1], widths, strict=False):
            cell.append(" " * (width - cell_len(cell.plain) + 2))
        line(console, *row)


def commands(console: Console, found: Iterable[tuple[str, str]]) -> None:
    """Print what to try next: (command, what it does). Each line can be pasted as a whole."""
    for command, what in found:
        line(console, "  ", (command, "cyan"), *([f"  # {what}"] if what else []))


class LogLines(logging.Handler):
    """Prints log records."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "red" if record.levelno >= logging.ERROR else "yellow"
        try:
            line(self._console, (f"{record.levelname:<8} ", style), self.format(record))
        except Exception:  # as every handler: a log record must not end the program
            self.handleError(record)
