"""What the results' root keeps, by kind and format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from preimage.errors import StorageError
from preimage.runs import products
from preimage.storage import formats
from preimage.storage.folder import Folder, at_once
from preimage.storage.formats import Kind

AT_MOST = 200
"""Folders of a place that are looked into, and trials of a study: a root may hold many thousands."""
NAMED = 3
PRODUCTS = {
    "generator": (formats.GENERATOR, formats.PROGRAM),
    "classifier": (formats.CLASSIFIER,),
    "prior": (formats.PRIOR,),
    "store": (formats.STORE,),
}
"""What may lie in a run's folder, in folders of these names."""

File = tuple[Kind, Folder, str]
"""A file that says what a folder is."""


@dataclass(frozen=True)
class Group:
    """Things of one kind, format and version."""

    kind: Kind
    number: Any
    version: Any
    """None if their files do not say."""
    addresses: list[str]

    @property
    def is_readable(self) -> bool:
        return self.number == self.kind.number

    @property
    def text(self) -> str:
        by = f", by {formats.maker(self.version)}" if self.version else ""
        return f"{len(self.addresses):,} of format {formats.short(self.number)}{by}"

    @property
    def remedy(self) -> str | None:
        """What to do; None for what this version reads."""
        if self.is_readable:
            return None
        more = f" and {len(self.addresses) - NAMED} more" if len(self.addresses) > NAMED else ""
        named = f"{', '.join(self.addresses[:NAMED])}{more}"
        return f"open it with {formats.maker(self.version)}, or make it again: {named}"


@dataclass(frozen=True)
class Census:
    """What was found under a root."""

    kept: list[Group]
    parts: list[str]
    """What was looked at only in part, such as `200 of 5,000 runs`."""


def census(root: Folder) -> Census:
    """Look at what a root holds. Raises StorageError if it cannot be listed."""
    parts: list[str] = []
    files: list[File] = []
    for place, find in _PLACES.items():
        names = [each.name for each in (root / place).entries() if not each.is_file]
        if len(names) > AT_MOST:
            parts.append(f"{AT_MOST} of {len(names):,} {place}")
        found = at_once(find, [root / place / name for name in _spread(names)])
        files += [file for each in found for file in each]
    groups: dict[tuple[str, str, str], Group] = {}
    for (kind, folder, name), said in zip(files, at_once(_said, files), strict=True):
        if said:
            key = (kind.title, str(said[0]), str(said[1]))
            groups.setdefault(key, Group(kind, *said, [])).addresses.append((folder / name).uri)
    order = [kind.title for kind in formats.KINDS]
    return Census([groups[key] for key in sorted(groups, key=lambda key: (order.index(key[0]), key))], parts)


def _in_run(run: Folder) -> list[File]:
    names = run.names()
    files = [(kind, run, kind.file) for kind in (formats.RUN, formats.OUTCOME) if kind.file in names]
    files += [file for name in PRODUCTS if name in names for file in _in_product(run / name, PRODUCTS[name])]
    if "checkpoints" in names:
        saved = run / "checkpoints"
        files += [(formats.CHECKPOINT, saved / name, formats.CHECKPOINT.file) for name in saved.names()]
    if "trials" in names:
        trials = run / "trials"
        files += [(formats.TRIAL, trials, name) for name in _spread(trials.names())]
    return files


def _in_product(folder: Folder, kinds: Sequence[Kind]) -> list[File]:
    return [(kind, folder, kind.file) for kind in kinds]


_PLACES: dict[str, Callable[[Folder], list[File]]] = {
    "runs": _in_run,
    "datasets": lambda folder: _in_product(folder, (formats.DATASET,)),
    **{
        each.imports: partial(_in_product, kinds=PRODUCTS[name])
        for name, each in products.PRODUCTS.items()
        if each.imports
    },
    "submissions": lambda folder: _in_product(folder, (formats.SUBMISSION,)),
}
"""The folders under a root, and what each folder in them may hold."""


def _said(file: File) -> tuple[Any, Any] | None:
    """The format and version that a file names; None if it is missing or damaged, as other verbs say."""
    kind, folder, name = file
    try:
        return kind.said(folder.read_json(name))
    except StorageError:
        return None


def _spread(names: Sequence[str]) -> list[str]:
    """At most so many names, evenly over all."""
    count = min(len(names), AT_MOST)
    return [names[place * len(names) // count] for place in range(count)]
