"""What the words of a command line can become: the callbacks of its arguments and options.

Each is called while a user types, so it imports little, looks only at this machine, and is silent about what
it cannot read.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from preimage.storage.address import results_root

Found = Iterable[tuple[str, str]]


def _silent(complete: Callable[[typer.Context, str], Found]) -> Callable[..., list[tuple[str, str]]]:
    """A callback that offers nothing where anything is wrong: an error would garble the user's prompt."""

    @wraps(complete)
    def called(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        try:
            return [each for each in complete(ctx, incomplete) if each[0].startswith(incomplete)]
        except Exception:
            return []

    return called


@_silent
def specs(ctx: typer.Context, incomplete: str) -> Found:
    """Spec files, folders that may hold some, shipped specs, and runs."""
    yield from _files(incomplete)
    yield from _shipped()
    yield from _runs(ctx)
    if ctx.info_name == "submit":
        yield from _submissions(ctx)


@_silent
def shipped_specs(ctx: typer.Context, incomplete: str) -> Found:
    return _shipped()


@_silent
def profiles(ctx: typer.Context, incomplete: str) -> Found:
    from preimage.specs.profiles import described
    from preimage.specs.shipped import spec_file

    path = spec_file(_spec_name(ctx)) or Path(_spec_name(ctx))
    return described(path.read_text(), str(path)).items()


@_silent
def changes(ctx: typer.Context, incomplete: str) -> Found:
    """Keys of the spec, then their values."""
    from preimage.specs.key_completion import candidates, reference_at

    spec = _spec(ctx)
    yield from candidates(spec, incomplete)
    key, equals, _ = incomplete.partition("=")
    if equals and (reference := reference_at(spec, key)):
        yield from ((f"{key}={name}", about) for name, about in _runs(ctx, reference.product))


@_silent
def image_settings(ctx: typer.Context, incomplete: str) -> Found:
    """The settings of `data prepare`."""
    from preimage.specs.key_completion import candidates

    before = "" if incomplete.startswith("data.") else "data."
    found = candidates({"job": "pca"}, before + incomplete)
    return ((each.removeprefix(before), about) for each, about in found if not each.startswith("data.source"))


@_silent
def sources(ctx: typer.Context, incomplete: str) -> Found:
    from preimage.data.config import SOURCES

    return ((name, "") for name in SOURCES)


@_silent
def submissions(ctx: typer.Context, incomplete: str) -> Found:
    return _submissions(ctx)


@_silent
def runs(ctx: typer.Context, incomplete: str) -> Found:
    return _runs(ctx)


@_silent
def stores(ctx: typer.Context, incomplete: str) -> Found:
    yield from _runs(ctx, "store")
    yield from _imported(ctx, "stores")


@_silent
def generators(ctx: typer.Context, incomplete: str) -> Found:
    yield from _runs(ctx, "generator")
    yield from _imported(ctx, "generators")


@_silent
def studies(ctx: typer.Context, incomplete: str) -> Found:
    return ((name, about) for name, about in _runs(ctx) if name.startswith("study-"))


def _files(incomplete: str) -> Iterator[tuple[str, str]]:
    from preimage.specs.header import header_of

    folder, slash, last = incomplete.rpartition("/")
    place = Path(os.path.expanduser(folder + slash)) if slash else Path()
    for each in sorted(place.iterdir(), key=lambda path: path.name):
        name = f"{folder}{slash}{each.name}"
        if not each.name.startswith(last) or (each.name.startswith(".") and not last):
            continue
        if each.is_dir():
            yield f"{name}/", ""
        elif each.suffix in (".yaml", ".yml"):
            yield name, header_of(each.read_text(errors="replace")).sentence


def _shipped() -> Iterator[tuple[str, str]]:
    from preimage.specs.shipped import shipped

    for found in shipped().values():
        yield from found.items()


def _root(ctx: typer.Context) -> Path | None:
    """The results if they are on this machine: what is elsewhere takes too long to list."""
    root = results_root(ctx.params.get("results"))
    return None if "://" in root else Path(root)


def _runs(ctx: typer.Context, product: str = "") -> Iterator[tuple[str, str]]:
    """Runs, or those of them that left such a product."""
    if root := _root(ctx):
        for each in sorted((root / "runs").glob("*/run.json"), key=lambda path: -path.stat().st_mtime):
            if not product or (each.parent / product).is_dir():
                yield each.parent.name, ""


def _imported(ctx: typer.Context, folder: str) -> Iterator[tuple[str, str]]:
    if root := _root(ctx):
        yield from ((each.name, "imported") for each in sorted((root / folder).glob("*/")))


def _submissions(ctx: typer.Context) -> Iterator[tuple[str, str]]:
    if root := _root(ctx):
        for each in sorted((root / "submissions").glob("*/submission.json"), reverse=True):
            yield each.parent.name, ""


def _spec_name(ctx: typer.Context) -> str:
    """An option without its value ends the parser's reading: then the words before it are left over."""
    return str(ctx.params.get("spec") or ctx.args[0])


def _spec(ctx: typer.Context) -> dict[str, Any]:
    """The spec of a command line, a file's or an earlier run's, as plain values."""
    from preimage.specs.shipped import spec_file
    from preimage.specs.yaml_lines import parse

    name, root = _spec_name(ctx), _root(ctx)
    path = spec_file(name)
    if not path and root:
        path = root / "runs" / name / "spec.yaml"
    assert path
    return parse(path.read_text(), name).value
