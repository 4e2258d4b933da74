"""The Markdown of jobs' tables as parts of a page: headings, prose and tables. All of it is escaped."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from preimage.figures.tables import rows_of

ROWS = 1_000
"""Most rows of a table."""
_MARKS = ((r"\*\*(.+?)\*\*", "strong"), (r"`(.+?)`", "code"), (r"\*(\S.*?)\*", "em"))


@dataclass(frozen=True)
class Heading:
    text: Markup
    kind: str = "heading"


@dataclass(frozen=True)
class Prose:
    text: Markup
    kind: str = "prose"


@dataclass(frozen=True)
class Table:
    head: tuple[Markup, ...]
    rows: tuple[tuple[Markup, ...], ...]
    left_out: int = 0
    kind: str = "table"


Part = Heading | Prose | Table


def parts_of(text: str) -> list[Part]:
    """The parts of a text, in order, without the line that says how it was made."""
    found: list[Part] = []
    lines = [line for line in text.splitlines() if not line.startswith("Made by: ")]
    for is_table, group in groupby(lines, lambda line: line.startswith("|")):
        part = list(group)
        found += [_table(part)] if is_table else _prose(part)
    return found


def inline(text: str) -> Markup:
    """One line's text with its bold, code and emphasis."""
    safe = str(escape(text))
    for pattern, tag in _MARKS:
        safe = re.sub(pattern, rf"<{tag}>\1</{tag}>", safe)
    return Markup(safe)


def _table(lines: list[str]) -> Table:
    rows = [tuple(inline(cell) for cell in row) for row in rows_of(lines)]
    head, body = rows[0] if rows else (), tuple(rows[1:])
    return Table(head, body[:ROWS], max(0, len(body) - ROWS))


def _prose(lines: list[str]) -> Iterator[Part]:
    for kind, group in groupby(lines, _kind):
        found = list(group)
        if kind == "#":
            yield from (Heading(inline(line.lstrip("# "))) for line in found)
        elif kind:
            yield Prose(inline(" ".join(line.strip() for line in found)))


def _kind(line: str) -> str:
    """`#` for a heading, a letter for other text, nothing between paragraphs."""
    return "#" if re.match(r"#+ ", line) else "a" if line.strip() else ""
