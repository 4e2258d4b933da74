"""The spec files that one can start from: those of `jobs/` and `tuning/`."""

import re
from collections.abc import Iterator
from pathlib import Path

from preimage.specs.header import header_of

FOLDERS = ("jobs", "tuning")


def shipped() -> dict[str, dict[str, str]]:
    """What each spec is for, by its path, by folder: of the working directory, or else of the checkout that
    this package is in; of neither, empty."""
    for root in (Path(), Path(__file__).parents[3]):
        found = {name: dict(_specs(root / name)) for name in FOLDERS}
        if any(found.values()):
            return {name: specs for name, specs in found.items() if specs}
    return {}


def _specs(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.yaml")):
        sentence = header_of(path.read_text(errors="replace")).sentence
        yield str(path), re.split(r": |; ", sentence, maxsplit=1)[0].rstrip(".")


def shipped_spec(name: str) -> str | None:
    """The path of a shipped spec, by its file's name without .yaml; None where there is none."""
    paths = (Path(path) for specs in shipped().values() for path in specs)
    return next((str(path) for path in paths if path.stem == name), None)
