"""Columns of ids and labels, as a latent store has them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preimage.data.known_images import KnownImages
from preimage.errors import StoreError
from preimage.latents.schema import UNLABELLED

CLASSES = 1 << 16
"""The most classes that texts may name."""


def ids_of(column: pa.Array, name: str, start: int, images: KnownImages | None) -> np.ndarray:
    """Ids (n,) int64: whole numbers, or the names of images. The first row has the number `start`.

    Raises StoreError for a missing one, one that is neither, and one that no image has.
    """
    column = plain(column)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise StoreError(f"row {start + row} of {name} is null: every row must have an id")
    if is_text(column.type):
        if images is None:
            raise StoreError(
                f"{name} holds texts: give the images that they name with --images, or leave --id out to "
                "number the rows"
            )
        return images.ids_of(column.cast(pa.string()), start)
    if not pa.types.is_integer(column.type):
        raise StoreError(f"{name} holds {column.type}: ids are whole numbers, or the names of images")
    ids = _cast(column, pa.int64(), name)
    if images:
        images.require(ids, start)
    return ids


def classes_in(column: pa.Array, name: str) -> set[str]:
    """The texts in a column of labels; none if they are whole numbers. Raises StoreError for other labels."""
    kind = plain_type(column.type)
    if is_text(kind):
        return {each for each in plain(column).unique().to_pylist() if each is not None}
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind):
        return set()
    raise StoreError(f"{name} holds {kind}: labels are whole numbers or texts")


def labels_of(column: pa.Array, name: str, start: int, classes: Sequence[str]) -> np.ndarray:
    """Labels (n,) int32: whole numbers as they are, texts as their places among the classes; -1 where one is
    missing. Raises StoreError for one that is no class, or below -1."""
    column = plain(column)
    if is_text(column.type):
        there = pc.SetLookupOptions(pa.array(classes, pa.string()), skip_nulls=True)
        known = pc.call_function("index_in", [column.cast(pa.string())], there)
        unknown = known.is_null().to_numpy(zero_copy_only=False)
        unknown &= column.is_valid().to_numpy(zero_copy_only=False)
        if unknown.any():
            row = int(np.flatnonzero(unknown)[0])
            raise StoreError(
                f"row {start + row} of {name}: {column[row].as_py()!r} is no class of the images, which are "
                f"{', '.join(classes[:10]) or 'without classes'}"
            )
        return known.fill_null(UNLABELLED).to_numpy().astype(np.int32)
    if pa.types.is_floating(column.type):
        column = _whole(column, name, start)
    labels = _cast(column.fill_null(UNLABELLED) if column.null_count else column, pa.int32(), name)
    if len(labels) and labels.min() < UNLABELLED:
        row = int(labels.argmin())
        raise StoreError(
            f"row {start + row} of {name} is {labels[row]}: a label is 0 or more, or {UNLABELLED} for none"
        )
    return labels


def _whole(column: pa.Array, name: str, start: int) -> pa.Array:
    """Whole numbers that pandas made floats of, for one was missing; NaN is missing. Raises StoreError for
    others."""
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    missing = np.isnan(values)
    other = np.flatnonzero(~missing & (values != np.trunc(values)))
    if len(other):
        row = int(other[0])
        raise StoreError(f"row {start + row} of {name} is {values[row]}: labels are whole numbers or texts")
    return pa.array(np.where(missing, UNLABELLED, values).astype(np.int64))


def plain(column: pa.Array) -> pa.Array:
    """A column without a dictionary: pandas' categories."""
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if isinstance(kind, pa.DictionaryType) else kind


def is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _cast(column: pa.Array, kind: pa.DataType, name: str) -> np.ndarray:
    try:
        return column.cast(kind).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise StoreError(f"{name} holds a number that is no {kind}: {error}") from error
