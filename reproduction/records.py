"""Records of runs: docs/reproduction/NAME.json."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from preimage.config import Config, mistakes_in
from preimage.errors import PreimageError
from preimage.runs.metrics import flatten, plain_name

NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


class Made(Config):
    """How a run was made."""

    job: str
    run: str
    """Its folder's name."""
    fingerprint: str
    created: str
    """When it began, UTC."""
    seconds: float | None = None
    """From then to its outcome, pauses included."""
    device: str | None = None
    """`cpu` or `cuda`."""
    made_by: str = ""
    """The line that its table and pictures carry."""
    images: dict[str, int | None] = Field(default_factory=dict)
    """The prepared images that it read, by their folder's name."""
    spec: dict[str, Any] = Field(default_factory=dict)
    """The resolved spec, without where it ran."""


class Trial(Config):
    """A trial of a study."""

    number: int
    params: dict[str, Any]
    state: str
    values: dict[str, float]
    """The metrics that the study ranks by, by name."""
    seconds: float


class Record(Made):
    """A finished run: what it measured, and how it was made."""

    name: str
    metrics: dict[str, Any]
    """As in outcome.json."""
    instruction_set: str
    """Of the processor that wrote the record, such as `avx2`."""
    git_commit: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    steps: dict[str, Made] = Field(default_factory=dict)
    """Of a pipeline, or of a study's first complete trial; their specs are in its own."""
    made_from: dict[str, Made] = Field(default_factory=dict)
    """The earlier runs whose products it used, directly or not."""
    trials: tuple[Trial, ...] = ()
    """Of a study."""


def write(folder: Path, name: str | None, record: Record) -> Path:
    """Write a record, under its own name unless another is given. Raises PreimageError for a bad name."""
    name = name or record.name
    if not NAME.fullmatch(name):
        raise PreimageError(f"a record's name is of a-z, 0-9, '-' and '.', but got {name!r}: give --as NAME")
    path = folder / f"{name}.json"
    path.write_text(text_of(record))
    return path


def text_of(record: Record) -> str:
    """The file's text: the same for the same record."""
    return json.dumps(record.model_dump(exclude_defaults=True), indent=1, sort_keys=True) + "\n"


def read_all(folder: Path) -> dict[str, Record]:
    """All records, by name. Raises PreimageError if one was altered."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}


def _read(path: Path) -> Record:
    try:
        return Record.model_validate(json.loads(path.read_text()))
    except ValidationError as error:
        raise PreimageError(f"{path} is no record: {mistakes_in(error)}. Record its run again.") from error


def numbers(record: Record) -> dict[str, float]:
    """The numbers that it measured, nested ones by dotted plain names, as in MLflow; of a study also those of
    its trials, as `trials.NUMBER.METRIC`, and of those that a user picked, as `picked.best.METRIC`."""
    trials = {str(each.number): each.values for each in record.trials if each.state == "complete"}
    picked = {name: trials[str(each)] for name, each in record.metrics.get("picked", {}).items()}
    flat = flatten(record.metrics | {"trials": trials, "picked": picked})
    return {plain_name(name): float(value) for name, value in flat.items() if isinstance(value, int | float)}
