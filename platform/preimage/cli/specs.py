"""The verbs `specs` and `copy`: the specs that come with Preimage."""

import filecmp
import re
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from preimage.cli import complete
from preimage.cli.screen import commands, line, table
from preimage.errors import SpecError
from preimage.storage.address import command

TITLES = {"jobs": "jobs and pipelines", "tuning": "studies"}
"""By the folder of shipped specs."""
EDITORS = re.compile(r"(?<=^# yaml-language-server: \$schema=)\S+", re.M)
"""Where an editor finds the schema, in the head of a spec."""


def specs(
    name: Annotated[
        str | None,
        typer.Argument(help="A spec to print.", metavar="[NAME]", autocompletion=complete.shipped_specs),
    ] = None,
) -> None:
    """List the specs that come with Preimage, what each is for, and its profiles; or print one.

    Wherever a command takes a spec file, it takes one of these names too.

    Example: preimage specs glo
    """
    if name is not None:
        sys.stdout.write(_file_of(name).read_text())
        return
    from preimage.specs.profiles import described
    from preimage.specs.shipped import shipped, shipped_spec

    console = Console()
    for folder, found in shipped().items():
        line(console, (f"{'' if folder == 'jobs' else chr(10)}{TITLES[folder]}", "bold"))
        rows = []
        for each, sentence in found.items():
            path = shipped_spec(each)
            assert path
            rows.append((each, ", ".join(described(path.read_text(), each)), sentence))
        table(console, rows, ("name", "profiles", "what it is for"), prose=True)
    hints = (
        (command("preimage", "plan", "demo"), "what one would do and cost"),
        (command("preimage", "specs", "demo"), "print one"),
        (command("preimage", "copy", "demo", "."), "copy one to change it"),
    )
    commands(console, hints)


def copy(
    name: Annotated[
        str,
        typer.Argument(
            help="A spec that `preimage specs` lists.", metavar="NAME", autocompletion=complete.shipped_specs
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Where to.", metavar="[FOLDER]")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Copy a shipped spec into a folder, to change it; with the schema by which editors complete its keys.

    Example: preimage copy glo .
    """
    from preimage.specs.shipped import schema_file

    source, schema = _file_of(name), schema_file()
    target, beside = folder / source.name, folder / schema.name
    text = EDITORS.sub(schema.name, source.read_text())
    if target.exists() and not force:
        raise SpecError(f"{target} is there already: choose another folder, or replace it with --force")
    kept = beside.exists() and not filecmp.cmp(beside, schema, shallow=False) and not force
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        if not kept:
            beside.write_bytes(schema.read_bytes())
    except OSError as error:
        raise SpecError(f"cannot write to {folder}: {error}") from error
    console = Console()
    line(console, f"{target}, with {beside.name} beside it")
    if kept:
        line(console, f"{beside} was there already, differs, and was kept: --force replaces it")
    commands(console, [(command("preimage", "plan", str(target)), "what it would do and cost")])


def _file_of(name: str) -> Path:
    """The file of a shipped spec. Raises SpecError with the nearest name."""
    from preimage.config import unknown
    from preimage.specs.shipped import names, shipped_spec

    path = shipped_spec(name)
    if not path:
        raise SpecError(f"{name!r}: {unknown(name, names(), 'shipped spec')}")
    return path
