"""The specs that come with Preimage: a clone's `jobs/` and `tuning/`, which a wheel has in its package."""

import re
from collections.abc import Iterator
from pathlib import Path

from preimage.specs.header import header_of

FOLDERS = ("jobs", "tuning")
_PACKAGE = Path(__file__).parents[1]
_IN_WHEEL = _PACKAGE / "shipped"
"""Where setup.py puts them."""


def root() -> Path:
    """The folder that holds those of a clone, or of an installed wheel."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parents[1]


def shipped() -> dict[str, dict[str, str]]:
    """What each spec is for, by its name, by folder. Empty where there are none, as on a cluster to which a
    clone's package was uploaded."""
    found = {folder: dict(_specs(folder)) for folder in FOLDERS}
    return {folder: specs for folder, specs in found.items() if specs}


def shipped_spec(name: str) -> Path | None:
    """The file of a shipped spec, by its name: that of the file without .yaml. None if there is none."""
    return next((path for folder in FOLDERS for path in _files(folder) if path.stem == name), None)


def spec_file(name: str) -> Path | None:
    """The file that a command line means: one of that path, or else the shipped spec of that name."""
    path = Path(name)
    return path if path.is_file() else shipped_spec(name)


def names() -> list[str]:
    return [path.stem for folder in FOLDERS for path in _files(folder)]


def schema_file() -> Path:
    """The JSON Schema of specs, with which editors complete and check them."""
    return root() / "jobs" / "schema.json"


def _specs(folder: str) -> Iterator[tuple[str, str]]:
    for path in _files(folder):
        sentence = header_of(path.read_text(errors="replace")).sentence
        yield path.stem, re.split(r": |; ", sentence, maxsplit=1)[0].rstrip(".")


def _files(folder: str) -> list[Path]:
    return sorted((root() / folder).glob("*.yaml"))
