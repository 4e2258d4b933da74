"""Codes by their image_ids: an index of a store's rows, which reads only the row groups that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike

from preimage.errors import StoreError
from preimage.latents import parquet
from preimage.latents.manifest import Manifest, PartRecord
from preimage.latents.schema import UNLABELLED, Codes, concatenate
from preimage.storage.folder import Folder

NAMED = 10
"""The most ids or labels that a message lists."""


class Rows(Protocol):
    """What is asked of a store, which itself asks for rows here."""

    @property
    def folder(self) -> Folder: ...

    @property
    def manifest(self) -> Manifest: ...

    def batches(self, columns: Sequence[str] | None = None, /) -> Iterator[Codes]: ...


@dataclass(frozen=True, eq=False)
class CodeRows:
    """The rows of a store, 16 bytes each, without those of images that diverged."""

    ids: np.ndarray
    """(n,) int64, in the store's order."""
    labels: np.ndarray
    """(n,) int32, -1 without one."""
    losses: np.ndarray | None
    """(n,) float32; None if no search found the codes."""
    diverged: int
    """Images that are left out."""
    places: np.ndarray
    """(n,) int64: the rows' numbers in the store."""
    store: Rows | None
    drawn: Codes | None = None

    @classmethod
    def of(cls, store: Rows) -> CodeRows:
        """Streams the store's columns without its codes."""
        searched = store.manifest.about.searched
        wanted = ("label", "loss") if searched else ("label",)
        read = concatenate(list(store.batches(wanted)))
        kept = (~read.diverged).numpy()
        losses = read.loss.numpy()[kept] if searched else None
        ids, labels = read.image_id.numpy()[kept], read.label.numpy()[kept]
        return cls(ids, labels, losses, int((~kept).sum()), np.flatnonzero(kept), store)

    @classmethod
    def in_memory(cls, drawn: Codes | None) -> CodeRows:
        """Of codes that are in no store."""
        assert drawn
        ids = drawn.image_id.numpy()
        return cls(ids, drawn.label.numpy(), None, 0, np.arange(len(ids)), None, drawn)

    @property
    def labelled(self) -> bool:
        return bool((self.labels != UNLABELLED).any())

    def at(self, ids: ArrayLike) -> np.ndarray:
        """Where ids (n,) are among `ids`. Raises StoreError for one that has no code."""
        ids = np.asarray(ids, np.int64)
        order, ordered = self._order
        found = np.searchsorted(ordered, ids)
        there = found < len(ordered)
        there[there] = ordered[found[there]] == ids[there]
        if not there.all():
            raise StoreError(
                f"there is no code of image {listed(np.unique(ids[~there]).tolist())}, or the search for it "
                f"diverged: choose among the {len(ordered) + self.diverged:,} image_ids"
            )
        return order[found]

    def codes(self, ids: ArrayLike) -> Codes:
        """The codes with these ids (n,), in that order; ids may repeat. Raises StoreError as `at` does."""
        places = self.places[self.at(ids)]
        if self.drawn:
            return self.drawn[torch.from_numpy(places)]
        assert self.store
        unique, back = np.unique(places, return_inverse=True)
        return _read(self.store, unique)[torch.from_numpy(back)]

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        order = self.ids.argsort(kind="stable")
        return order, self.ids[order]


def listed(numbers: Sequence[int]) -> str:
    """The first of some numbers, as a message names them."""
    return ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")


def _read(store: Rows, places: np.ndarray) -> Codes:
    """The rows with these numbers, ascending."""
    found, first = [], 0
    for record in store.manifest.parts:
        for group in range(-(-record.rows // parquet.ROW_GROUP)):
            size = min(parquet.ROW_GROUP, record.rows - group * parquet.ROW_GROUP)
            low, high = np.searchsorted(places, (first, first + size))
            if low < high:
                found += _of_group(store, record, group, places[low:high] - first)
            first += size
    return concatenate(found or [next(store.batches())[:0]])


def _of_group(store: Rows, record: PartRecord, group: int, rows: np.ndarray) -> list[Codes]:
    """Some rows of a row group, which is decoded a few codes at a time."""
    found, first, about = [], 0, store.manifest.about
    for some in parquet.pieces(store.folder, record, group, about, about.columns, verify=True):
        low, high = np.searchsorted(rows, (first, first + len(some)))
        if low < high:
            found.append(some[torch.from_numpy(rows[low:high] - first)])
        first += len(some)
        if high == len(rows):
            break
    return found
