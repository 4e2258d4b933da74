"""What there is to choose from where a command names no spec, or no profile."""

from pathlib import Path

import typer
from rich.console import Console

from preimage.cli.screen import commands, line, table
from preimage.errors import SpecError
from preimage.storage.address import command


def chosen(verb: str, spec: str | None, profile: str | None) -> str:
    """The spec of a command. Without one, list the shipped specs and exit with code 2; with a `--profile` that
    has no value, list the spec's profiles and exit with 0. Raises SpecError."""
    console = Console()
    if spec is None:
        _show_specs(console, verb)
        raise typer.Exit(2)
    if profile == "":
        _show_profiles(console, verb, spec)
        raise typer.Exit(0)
    return spec


def _show_specs(console: Console, verb: str) -> None:
    from preimage.specs.shipped import shipped

    found = shipped()
    if not found:
        raise SpecError(
            f"which spec? Give a file: preimage {verb} SPEC. There are some in jobs/ and tuning/ of Preimage's "
            "repository, but not in this folder"
        )
    line(
        console,
        f"which spec? preimage {verb} SPEC runs one; of those here:" if verb == "run" else "which spec?",
    )
    for folder, specs in found.items():
        line(console, ("\n" + {"jobs": "jobs and pipelines", "tuning": "studies"}[folder], "bold"))
        table(console, specs.items(), prose=True)
    first = next(iter(next(iter(found.values()))))
    demo = next((path for specs in found.values() for path in specs if Path(path).stem == "demo"), first)
    commands(
        console,
        [
            (command("preimage", verb, demo), "the shortest way through all of it" if demo != first else ""),
            (command("preimage", verb, demo, "--profile"), "list a spec's profiles, such as smaller sizes"),
        ],
    )


def _show_profiles(console: Console, verb: str, spec: str) -> None:
    from preimage.specs.profiles import described

    path = Path(spec)
    if not path.is_file():
        raise SpecError(f"{spec!r} is not a spec file on this machine: name one to see its profiles")
    found = described(path.read_text(errors="replace"), spec)
    if not found:
        raise SpecError(f"{spec}: the spec has no profiles")
    table(console, found.items(), prose=True)
    commands(console, [(command("preimage", verb, spec, "--profile", next(iter(found))), "")])
