"""What every file of vectors is read as: rows, a bounded number of them at a time."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

import numpy as np
import pyarrow as pa

from preimage.errors import StoreError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Columns:
    """Which columns or tensors of a file to read, by name."""

    z: str | None
    """The vectors; None for the only ones."""
    id: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Rows:
    """Some rows of a table; what was not asked for is None."""

    start: int
    """The number of the first of them."""
    count: int
    z: np.ndarray | None = None
    """(n, *shape) float32, all finite."""
    id: pa.Array | None = None
    label: pa.Array | None = None


class Table(Protocol):
    """An opened file."""

    @property
    def columns(self) -> Columns:
        """Those that are read; z is None for an array without a name."""
        ...

    @property
    def count(self) -> int:
        """Rows, at least 1."""
        ...

    @property
    def shape(self) -> Shape:
        """Of one vector, such as (100,) or (4, 8, 8)."""
        ...

    @property
    def numbers(self) -> str:
        """What its numbers are: float64, int8."""
        ...

    def rows(self, parts: Collection[str], at_once: int) -> Iterator[Rows]:
        """All rows in order, `at_once` at a time. parts: `z`, `id`, `label`, those to read.

        Raises StoreError, naming the row, for a vector that is missing, of another length, or not finite.
        """
        ...


def chosen(name: str, there: Sequence[str], file: str) -> str:
    """A column of this name. Raises StoreError, with the nearest one, if the file has none."""
    if name in there:
        return name
    near = get_close_matches(name, there, 1, 0.5)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise StoreError(f"{file} has no column {name!r}{meant}: it has {', '.join(there)}")


def only(names: Sequence[str], file: str) -> str:
    """The one column that holds vectors. Raises StoreError if there are several, or none."""
    if len(names) == 1:
        return names[0]
    if names:
        raise StoreError(f"{file} has vectors in {', '.join(names)}: choose with --column")
    raise StoreError(f"{file} has no column of vectors")


def as_float32(values: np.ndarray, start: int, name: str) -> np.ndarray:
    """Vectors (n, *shape) of any numbers as float32, whose first row has the number `start`.

    Raises StoreError for a value that is not finite, or beyond float32.
    """
    with np.errstate(over="ignore"):
        z = np.array(values, np.float32, order="C")  # a copy: what is mapped is read-only
    if z.size and not (np.isfinite(z.min()) and np.isfinite(z.max())):  # which the extremes reveal
        flat = z.reshape(len(z), -1)
        row = int(np.flatnonzero(~np.isfinite(flat).all(1))[0])
        value = values[row].ravel()[~np.isfinite(flat[row])][0]
        raise StoreError(
            f"row {start + row} of {name} holds {value}, which is no finite float32: leave such rows out"
        )
    return z
