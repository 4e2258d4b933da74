"""Markdown on a terminal, whose tables lose no cell on a narrow one as rich's own do."""

import re
from itertools import groupby

from rich.console import Console
from rich.text import Text

from preimage.cli.screen import table
from preimage.figures.tables import rows_of


def show_markdown(console: Console, text: str) -> None:
    """Print Markdown: tables in columns, or row by row where the terminal is too narrow for them."""
    for is_table, lines in groupby(text.strip().split("\n"), lambda line: line.startswith("|")):
        found = list(lines)
        if is_table:
            header, *rows = ([_cell(each) for each in row] for row in rows_of(found))
            table(console, rows, [each.plain for each in header])
        else:
            from rich.markdown import Markdown  # slow to import, and few verbs need it

            console.print(Markdown("\n".join(found)))


def _cell(text: str) -> Text:
    """A cell without the marks around the whole of it."""
    marked = re.fullmatch(r"(\*\*|`)(.*)\1", text)
    return Text(marked[2], "bold" if marked[1] == "**" else "") if marked else Text(text)
