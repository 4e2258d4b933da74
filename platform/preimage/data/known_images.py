"""The images that codes stand for: which ids there are, and what and where their images are."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preimage.data.dataset import Dataset
from preimage.data.images_table import read_columns
from preimage.errors import DataError, StoreError
from preimage.permutation import Permutation

APART = 256
"""Images this near to each other are read together."""
TOGETHER = 4096
"""At most so many images are read at a time."""


@dataclass(frozen=True)
class KnownImages:
    """Ids, labels, names and rows of prepared images; what is asked for is held in memory, of all images."""

    dataset: Dataset

    def ids_of(self, names: pa.Array, start: int) -> np.ndarray:
        """The ids (n,) int64 of named images. Raises StoreError for the first that is not there, or not
        alone; the first row has the number `start`."""
        if not self._have_own_names:
            raise StoreError(f"several images of {self._called} have one name: give their image_ids instead")
        at = pc.call_function("index_in", [names], pc.SetLookupOptions(self._names))
        if at.null_count:
            row = int(np.flatnonzero(at.is_null().to_numpy(zero_copy_only=False))[0])
            raise StoreError(
                f"row {start + row}: no image of {self._called} is named {names[row].as_py()!r}; "
                f"its names are like {self._names[0].as_py()!r}"
            )
        return self._ids[at.to_numpy()]

    def require(self, ids: np.ndarray, start: int) -> None:
        """Raise StoreError for the first of ids (n,) that no image has."""
        there = self._ids[self._places(ids)] == ids
        if not there.all():
            row = int(np.flatnonzero(~there)[0])
            raise StoreError(f"row {start + row}: {self._called} has no image with the id {ids[row]}")

    def labels(self, ids: np.ndarray) -> np.ndarray:
        """(n,) int32, of images that are there."""
        return self._labels[self._places(ids)]

    def names(self, ids: np.ndarray) -> pa.Array:
        """(n,) texts, of images that are there."""
        return self._names.take(pa.array(self._places(ids)))

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """(n,) int64: where images that are there are in the dataset, whose rows a shuffle orders."""
        return self._rows[self._places(ids)]

    def column(self, name: str, ids: np.ndarray) -> pa.Array:
        """(n,) values of a column of images.parquet, of images that are there. Raises DataError."""
        return self._read(name).take(pa.array(self._places(ids)))

    def pixels(self, ids: np.ndarray) -> np.ndarray:
        """(n, C, H, W) uint8 of images that are there; reads together those that lie near each other.

        Raises DataError for a damaged or altered dataset.
        """
        rows = self.rows(ids)
        order = rows.argsort(kind="stable")
        found = np.empty((len(ids), *self.dataset.shape), np.uint8)
        sorted_rows = rows[order]
        apart = (np.diff(sorted_rows) > APART) | (np.diff(sorted_rows // TOGETHER) > 0)
        for part in filter(len, np.split(order, np.flatnonzero(apart) + 1)):
            first, last = int(rows[part[0]]), int(rows[part[-1]])
            some = self.dataset.read(first, last + 1)
            if not np.array_equal(some.image_id.numpy()[rows[part] - first], ids[part]):
                raise DataError(f"{self._called} was altered: prepare its images again")
            found[part] = some.pixels.numpy()[rows[part] - first]
        return found

    def _places(self, ids: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._ids, ids).clip(max=len(self._ids) - 1)

    @property
    def _called(self) -> str:
        return self.dataset.folder.uri

    @cached_property
    def _ids(self) -> np.ndarray:
        return self._read("image_id").to_numpy()

    @cached_property
    def _labels(self) -> np.ndarray:
        return self._read("label").to_numpy()

    @cached_property
    def _rows(self) -> np.ndarray:
        places = Permutation(self.dataset.available).position(self._ids)
        rows = np.empty(len(places), np.int64)
        rows[places.argsort()] = np.arange(len(places))
        return rows

    @cached_property
    def _names(self) -> pa.Array:
        return self._read("name")

    @cached_property
    def _have_own_names(self) -> bool:
        return len(self._names.unique()) == len(self._names)

    def _read(self, column: str) -> pa.Array:
        """A column of all images, in the order of their ids."""
        return read_columns(self.dataset.folder, [column])[column].combine_chunks()
