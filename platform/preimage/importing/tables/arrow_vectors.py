"""Vectors in a column of a Parquet file: lists of any kind, nested ones, and tensors of a fixed shape."""

from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preimage.errors import StoreError
from preimage.importing.tables.table import Shape, as_float32


def holds_vectors(kind: pa.DataType) -> bool:
    """Whether a column of this type holds vectors of numbers."""
    kind = _plain(kind)
    return _is_list(kind) and _is_numbers(_leaf(kind))


def numbers_of(kind: pa.DataType) -> str:
    """What the numbers of a column of vectors are."""
    found = str(_leaf(_plain(kind)))
    return {"float": "float32", "double": "float64", "halffloat": "float16"}.get(found, found)


def shape_of(first: pa.Array, name: str) -> Shape:
    """The shape of the one vector in an array. Raises StoreError if it is missing or empty."""
    if isinstance(first, pa.FixedShapeTensorArray):
        return first.to_numpy_ndarray().shape[1:]
    shape: list[int] = []
    values: Any = _storage(first)
    while _is_list(values.type):
        length = _lengths(values)[0].as_py()
        if not length:
            raise StoreError(f"row 0 of {name} holds {'no' if length is None else 'an empty'} vector")
        shape.append(length)
        values = values.flatten()
    return tuple(shape)


def vectors(array: pa.Array, shape: Shape, start: int, name: str) -> np.ndarray:
    """The vectors (n, *shape) float32 of an array whose first row has the number `start`.

    Raises StoreError for the first row of another shape, with a missing value, or one that is not finite.
    """
    if isinstance(array, pa.FixedShapeTensorArray):
        _require_all(array.storage, 1, start, name)
        _require_all(array.storage.flatten(), prod(shape), start, name)
        return as_float32(array.to_numpy_ndarray(), start, name)
    values: Any = _storage(array)
    for depth, size in enumerate(shape):
        inside = prod(shape[:depth])
        _require_all(values, inside, start, name)
        lengths = _lengths(values).to_numpy()
        differ = np.flatnonzero(lengths != size)
        if len(differ):
            row, length = start + int(differ[0]) // inside, lengths[differ[0]]
            what = "vector" if depth == 0 else "list within it"
            raise StoreError(
                f"row {row} of {name} has a {what} of length {length}, where the first of row 0 has {size}: "
                "all must have one shape"
            )
        values = values.flatten()
    _require_all(values, prod(shape), start, name)
    return as_float32(values.to_numpy(zero_copy_only=False).reshape(len(array), *shape), start, name)


def _require_all(values: pa.Array, inside: int, start: int, name: str) -> None:
    """inside: how many of the values make up a row."""
    if values.null_count:
        row = start + int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]) // inside
        raise StoreError(f"row {row} of {name} is null, or has a null in it: leave such rows out")


def _lengths(lists: pa.Array) -> pa.Array:
    return pc.call_function("list_value_length", [lists])


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _leaf(kind: Any) -> pa.DataType:
    while _is_list(kind):
        kind = kind.value_type
    return kind


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_numbers(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)
