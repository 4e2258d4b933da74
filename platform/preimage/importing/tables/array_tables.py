"""Arrays as tables of vectors: an .npy file by memory map, a .safetensors file by slices."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError, safe_open

from preimage.errors import StoreError
from preimage.importing.tables.table import Columns, Rows, Shape, as_float32, chosen, only

KINDS = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}
KINDS |= {f"{sign[0].upper()}{bits}": f"{sign}{bits}" for sign in ("int", "uint") for bits in (8, 16, 32, 64)}
"""The numbers that become float32, as safetensors calls them."""


@dataclass(frozen=True)
class NpyTable:
    """See Table."""

    path: Path
    array: np.ndarray = field(repr=False)
    """(n, *shape), mapped."""
    columns: Columns

    @classmethod
    def open(cls, path: Path, columns: Columns) -> "NpyTable":
        """Raises StoreError for an array of anything but numbers: nothing is unpickled."""
        if columns != Columns(None):
            raise StoreError(f"{path} is one array without columns: leave --column, --id and --label out")
        try:
            array = np.lib.format.open_memmap(path, mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise StoreError(
                f"{path} cannot be read: {error}. Only arrays of numbers are, for objects are pickles"
            ) from error
        if array.dtype.kind not in "fiu":
            raise StoreError(f"{path} holds {array.dtype}, no numbers that are vectors' components")
        _require_vectors(array.shape, str(path))
        return cls(path, array, columns)

    @property
    def count(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> Shape:
        return self.array.shape[1:]

    @property
    def numbers(self) -> str:
        return self.array.dtype.name

    def rows(self, parts: Collection[str], at_once: int) -> Iterator[Rows]:
        for start in range(0, self.count, at_once):
            some = self.array[start : start + at_once]
            z = as_float32(some, start, self.path.name) if "z" in parts else None
            yield Rows(start, len(some), z)


@dataclass(frozen=True)
class SafetensorsTable:
    """See Table. Ids and labels are further tensors of the file."""

    path: Path
    columns: Columns
    count: int
    shape: Shape
    numbers: str

    @classmethod
    def open(cls, path: Path, columns: Columns) -> "SafetensorsTable":
        """Raises StoreError if it cannot be read, or has no such tensors."""
        with _opened(path) as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            kinds = {name: file.get_slice(name).get_dtype() for name in shapes}
        vectored = [name for name, shape in shapes.items() if len(shape) > 1 and kinds[name] in KINDS]
        z = only(vectored, str(path)) if columns.z is None else chosen(columns.z, list(shapes), str(path))
        if kinds[z] not in KINDS:
            raise StoreError(f"{z} of {path} holds {kinds[z]}, no numbers that are vectors' components")
        _require_vectors(shapes[z], f"{z} of {path}")
        for name in filter(None, (columns.id, columns.label)):
            if shapes[chosen(name, list(shapes), str(path))] != shapes[z][:1]:
                raise StoreError(
                    f"{name} of {path} has the shape {shapes[name]}, but there are {shapes[z][0]} rows of {z}"
                )
        return cls(path, replace(columns, z=z), shapes[z][0], shapes[z][1:], KINDS[kinds[z]])

    def rows(self, parts: Collection[str], at_once: int) -> Iterator[Rows]:
        """As Table has it."""
        with _opened(self.path) as file:
            read = {part: file.get_slice(str(getattr(self.columns, part))) for part in parts}
            for start in range(0, self.count, at_once):
                stop = min(start + at_once, self.count)
                found: dict[str, Any] = {part: each[start:stop] for part, each in read.items()}
                z = found.pop("z", None)
                if z is not None:
                    z = as_float32(_numpy(z), start, str(self.columns.z))
                arrays = {part: pa.array(_numpy(each)) for part, each in found.items()}
                yield Rows(start, stop - start, z, **arrays)


def _numpy(values: torch.Tensor) -> np.ndarray:
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _require_vectors(shape: Shape, name: str) -> None:
    if len(shape) < 2 or 0 in shape:
        raise StoreError(
            f"{name} has the shape {shape}: it must be (n, d) or (n, C, H, W), with at least one row"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
