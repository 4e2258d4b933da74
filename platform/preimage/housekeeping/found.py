"""The runs under a root, as their folders say, many read at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from preimage.errors import PreimageError
from preimage.runs import attempts
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder, at_once
from preimage.storage.removal import is_marked
from preimage.tuning.records import read_records

STUDY = "study"


@dataclass(frozen=True)
class Found:
    """A run's folder, as far as it can be read."""

    run: RunFolder
    about: dict[str, Any] = field(default_factory=dict)
    """What run.json holds; empty if nothing does."""
    outcome: Outcome | None = None
    parts: tuple[str, ...] = ()
    """The names of its own runs: a pipeline's steps, the trials of a study that have ended."""
    is_removing: bool = False
    """Whether its removal began, and was interrupted."""
    problem: str = ""
    """Why it cannot be read: then nothing is known of what it needs."""

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def parent(self) -> str | None:
        """The run that it was first made for, if that recorded it."""
        return self.about.get("part_of")

    @cached_property
    def attempts(self) -> list[dict[str, Any]]:
        """How often its job worked, and how each attempt ended; empty where that cannot be read."""
        try:
            return attempts.read(self.run)
        except PreimageError:  # what the run says of itself is all there is to show
            return []


def find_all(root: Folder) -> dict[str, Found]:
    """Every run under a root by its name, the newest last."""
    runs = root / "runs"
    places = [runs / each.name for each in runs.entries() if not each.is_file]
    read = list(map(_read, places)) if root.is_local else at_once(_read, places)
    found = sorted(filter(None, read), key=lambda each: (each.about.get("created", ""), each.name))
    return {each.name: each for each in found}


def parents(found: Mapping[str, Found]) -> dict[str, list[str]]:
    """For each run, the pipelines and studies that it is part of, if any; the one it was made for first."""
    known: dict[str, list[str]] = {name: [] for name in found}
    for each in found.values():
        if each.parent is not None and each.parent in found:
            known[each.name].append(each.parent)
    for each in found.values():
        for part in each.parts:
            if part in known and each.name not in known[part]:
                known[part].append(each.name)
    return known


def parts(parents: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The other way round: for each pipeline and study, its own runs."""
    known: dict[str, list[str]] = {}
    for name, above in parents.items():
        for each in above:
            known.setdefault(each, []).append(name)
    return known


def all_parts(names: Iterable[str], parts: Mapping[str, Sequence[str]]) -> set[str]:
    """The parts of some runs, and the parts of these."""
    found: set[str] = set()
    left = set(names)
    while left:
        left = {part for name in left for part in parts.get(name, ())} - found
        found |= left
    return found


def _read(folder: Folder) -> Found | None:
    """None if the folder is no run's, such as one that was claimed and left."""
    run = RunFolder(folder)
    try:
        about, outcome = run.about_or_none(), run.outcome()
        if about is None:
            return _without_about(run, outcome)
        return Found(run, about, outcome, _parts(run, about, outcome))
    except PreimageError as error:
        return Found(run, problem=str(error))


def _without_about(run: RunFolder, outcome: Outcome | None) -> Found | None:
    if is_marked(run.folder):
        return Found(run, is_removing=True)
    files = run.folder.names()
    return Found(run, {}, outcome, problem=f"{run.folder.uri} has no whole run.json") if files else None


def _parts(run: RunFolder, about: Mapping[str, Any], outcome: Outcome | None) -> tuple[str, ...]:
    if about["job"] == STUDY:
        return tuple(each.run for each in read_records(run.folder) if each.run)
    steps = (outcome.steps or {}).values() if outcome else ()
    return tuple(dict.fromkeys(each["run"] for each in steps))
