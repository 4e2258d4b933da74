"""What there is to choose from where a command names no spec, or no profile."""

import typer
from rich.console import Console

from preimage.cli.screen import commands, line, table
from preimage.cli.specs import TITLES
from preimage.errors import SpecError
from preimage.storage.address import command


def chosen(verb: str, spec: str | None, profile: str | None) -> str:
    """The spec of a command. Without one, list the shipped specs and exit with 2; with `--profile` alone,
    list the spec's profiles and exit with 0. Raises SpecError."""
    if spec is None:
        _show_specs(Console(), verb)
        raise typer.Exit(2)
    if profile == "":
        _show_profiles(Console(), verb, spec)
        raise typer.Exit(0)
    return spec


def _show_specs(console: Console, verb: str) -> None:
    from preimage.specs.shipped import shipped

    found = shipped()
    if not found:
        raise SpecError(
            f"which spec? Give a file: preimage {verb} SPEC. Others come with Preimage, but there are none "
            "beside this package"
        )
    line(console, f"which spec? preimage {verb} SPEC takes one of these, or your own")
    for folder, specs in found.items():
        line(console, ("\n" + TITLES[folder], "bold"))
        table(console, specs.items(), prose=True)
    hints = (
        (command("preimage", verb, "demo"), ""),
        (command("preimage", verb, "demo", "--profile"), "list its profiles, such as smaller sizes"),
        (command("preimage", "copy", "demo", "."), "copy one to change it"),
    )
    commands(console, hints)


def _show_profiles(console: Console, verb: str, spec: str) -> None:
    from preimage.specs.profiles import described
    from preimage.specs.shipped import spec_file

    path = spec_file(spec)
    if not path:
        raise SpecError(
            f"{spec!r} is neither a spec file on this machine nor one that comes with Preimage: name one to "
            "see its profiles"
        )
    found = described(path.read_text(errors="replace"), spec)
    if not found:
        raise SpecError(f"{spec}: the spec has no profiles")
    table(console, found.items(), prose=True)
    commands(console, [(command("preimage", verb, spec, "--profile", next(iter(found))), "")])
