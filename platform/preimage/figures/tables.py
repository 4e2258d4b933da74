"""Markdown tables: written, and read again."""

import re
from collections.abc import Iterable, Iterator, Sequence


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its header."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def rows_of(lines: Iterable[str]) -> Iterator[list[str]]:
    """The rows of a Markdown table, its header first, by its lines."""
    for line in lines:
        if not re.fullmatch(r"[|:\s-]+", line):
            cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
            yield [each.strip().replace(r"\|", "|") for each in cells]
