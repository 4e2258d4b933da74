"""The reference of the command line, from the help that it prints."""

from typing import Any

import typer.main
from typer.cli import get_docs_for_click


def pages() -> dict[str, str]:
    """Markdown by path in the site."""
    from preimage.cli.main import app

    command = typer.main.get_command(app)
    _whole_sentences(command)
    context = typer.Context(command, info_name="preimage")
    text = get_docs_for_click(obj=command, ctx=context, name="preimage", title="Command line")
    return {"reference/command-line.md": text}


def _whole_sentences(command: Any) -> None:
    """Let lists of verbs show the first sentence of each, which Typer would cut at 45 letters."""
    for each in getattr(command, "commands", {}).values():
        each.short_help = (each.help or "").split("\n\n")[0].replace("\n", " ")
        _whole_sentences(each)
