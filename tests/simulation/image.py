"""What is on a simulated disk, and what a loss of power leaves of it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

ROOT = 0
PowerLoss = Literal["lost", "torn", "mixed"]


@dataclass(frozen=True)
class FileNode:
    """A file's bytes, and those that were synced."""

    data: bytes = b""
    synced: bytes = b""
    number: int = 0
    """Of the mutation that changed it last: its time."""


@dataclass(frozen=True)
class FolderNode:
    """A folder's entries by name, those that were synced, and the changes since: the names that each one
    sets, or removes (None), all together."""

    entries: Mapping[str, int] = field(default_factory=dict)
    synced: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[Mapping[str, int | None], ...] = ()

    def changed(self, change: Mapping[str, int | None]) -> "FolderNode":
        return replace(self, entries=_applied(self.entries, change), changes=(*self.changes, change))


Node = FileNode | FolderNode
Image = Mapping[int, Node]
"""All of a disk: its nodes by number."""
EMPTY: Image = {ROOT: FolderNode()}


def _applied(entries: Mapping[str, int], change: Mapping[str, int | None]) -> dict[str, int]:
    return {name: number for name, number in {**entries, **change}.items() if number is not None}


def after_power_loss(image: Image, how: PowerLoss, seed: str = "") -> Image:
    """What of a disk is left, which is then durable.

    lost: nothing but what was synced. torn: all names are there, and files that were not synced are empty or
    full of zeros, as after a journal of names without bytes. mixed: any of a folder's changes, in their
    order, and of a file that was not synced the old bytes, the new ones, some of them, or zeros.
    """
    drawn = random.Random(f"{how} {seed}")
    return {number: _left(node, how, drawn) for number, node in image.items()}


def _left(node: Node, how: PowerLoss, drawn: random.Random) -> Node:
    if isinstance(node, FolderNode):
        kept = [change for change in node.changes if _keeps(how, drawn)]
        entries = node.synced
        for change in kept:
            entries = _applied(entries, change)
        return FolderNode(entries, entries)
    if node.data == node.synced:
        return node
    zeros, cut = bytes(len(node.data)), node.data[: drawn.randrange(len(node.data) + 1)]
    choices = {
        "lost": [node.synced],
        "torn": [b"", zeros],
        "mixed": [node.synced, node.data, cut, cut + bytes(len(node.data) - len(cut)), zeros],
    }
    data = drawn.choice(choices[how])
    return replace(node, data=data, synced=data)


def _keeps(how: PowerLoss, drawn: random.Random) -> bool:
    return how == "torn" or (how == "mixed" and drawn.random() < 0.5)


def synced(node: Node) -> Node:
    """The same, durable."""
    if isinstance(node, FileNode):
        return replace(node, synced=node.data)
    return FolderNode(node.entries, node.entries)


def files(image: Image, number: int = ROOT, path: str = "") -> dict[str, bytes]:
    """All files below a folder, by path."""
    node = image[number]
    if isinstance(node, FileNode):
        return {path: node.data}
    found: dict[str, bytes] = {}
    for name, each in node.entries.items():
        found |= files(image, each, f"{path}/{name}")
    return found
