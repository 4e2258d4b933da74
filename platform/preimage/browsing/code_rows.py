"""Codes by their image_ids: an index of a store's rows, which reads only the row groups that hold them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from preimage.errors import StoreError
from preimage.latents import parquet
from preimage.latents.schema import UNLABELLED, Codes, concatenate
from preimage.latents.store import Store

NAMED = 5


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
    store: Store | None
    drawn: Codes | None = None

    @classmethod
    def of(cls, store: Store) -> "CodeRows":
        """Streams the store's columns without its codes."""
        wanted = ("label", "loss") if store.about.searched else ("label",)
        read = concatenate(list(store.batches(wanted)))
        kept = (~read.diverged).numpy()
        losses = read.loss.numpy()[kept] if store.about.searched else None
        ids, labels = read.image_id.numpy()[kept], read.label.numpy()[kept]
        return cls(ids, labels, losses, int((~kept).sum()), np.flatnonzero(kept), store)

    @classmethod
    def in_memory(cls, drawn: Codes | None) -> "CodeRows":
        """Of codes that are in no store."""
        assert drawn
        ids = drawn.image_id.numpy()
        return cls(ids, drawn.label.numpy(), None, 0, np.arange(len(ids)), None, drawn)

    @property
    def labelled(self) -> bool:
        return bool((self.labels != UNLABELLED).any())

    def at(self, ids: np.ndarray) -> np.ndarray:
        """Where ids (n,) are among `ids`. Raises StoreError for one that has no code."""
        ids = np.asarray(ids, np.int64)
        order, ordered = self._order
        found = order[np.searchsorted(ordered, ids).clip(max=len(ordered) - 1)]
        if (wrong := self.ids[found] != ids).any():
            named = ", ".join(map(str, ids[wrong][:NAMED]))
            raise StoreError(f"no code of image {named}, or the search for it diverged")
        return found

    def codes(self, ids: np.ndarray) -> Codes:
        """As `Subject.codes_of`."""
        places = self.places[self.at(ids)]
        if self.drawn:
            return self.drawn[torch.from_numpy(places)]
        unique, back = np.unique(places, return_inverse=True)
        return _read(self.store, unique)[torch.from_numpy(back)]  # pyright: ignore[reportArgumentType]

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        order = self.ids.argsort(kind="stable")
        return order, self.ids[order]


def _read(store: Store, places: np.ndarray) -> Codes:
    """The rows with these numbers, ascending."""
    found, first = [], 0
    for record in store.manifest.parts:
        for group in range(-(-record.rows // parquet.ROW_GROUP)):
            size = min(parquet.ROW_GROUP, record.rows - group * parquet.ROW_GROUP)
            low, high = np.searchsorted(places, (first, first + size))
            if low < high:
                found += _of_group(store, record, group, places[low:high] - first)
            first += size
    return concatenate(found or [store.head(1)[:0]])


def _of_group(store: Store, record: parquet.PartRecord, group: int, rows: np.ndarray) -> list[Codes]:
    """Some rows of a row group, which is decoded a few codes at a time."""
    found, first = [], 0
    for some in parquet.pieces(store.folder, record, group, store.about, store.about.columns, verify=True):
        low, high = np.searchsorted(rows, (first, first + len(some)))
        if low < high:
            found.append(some[torch.from_numpy(rows[low:high] - first)])
        first += len(some)
        if high == len(rows):
            break
    return found
