"""Class names and labels: from names in a schema, or from the values that occur."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from preimage.data.sources.columns import Column, features, pc, plain
from preimage.data.sources.read_errors import reading
from preimage.errors import DataError

MAX_CLASSES = 100_000
"""More distinct labels are captions or ids."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


class Labels(NamedTuple):
    """How the values of a column become labels."""

    column: str
    classes: list[str]
    values: list[Any] | None = None
    """The distinct values; None if they are the labels themselves."""
    of_values: tuple[int, ...] = ()
    """The label of each of `values`."""

    def encode(self, column: Column, where: str) -> np.ndarray:
        """Labels (n,) int64 of a column's values; -1 for null. Raises DataError for a value of no class."""
        with reading(where):
            values = plain(column)
            if self.values is None:
                found = pc.cast(values, pa.int64())
            else:
                found = pc.index_in(values, value_set=pa.array(self.values, values.type))
            numbers = np.asarray(pc.fill_null(found, -1), np.int64)
        if found.null_count > values.null_count:
            raise DataError(f"{where}: column {self.column} changed while it was read; run again")
        if self.values is not None:
            return np.array([*self.of_values, -1])[numbers]
        wrong = numbers[(numbers < -1) | (numbers >= len(self.classes))]
        if len(wrong):
            raise DataError(
                f"{where}: column {self.column} holds {wrong[0]}, but its {len(self.classes)} class names "
                f"are for 0 to {len(self.classes) - 1}; correct the names or the labels"
            )
        return numbers


def labels_of(column: str, names: list[str] | None, parts: Iterable[Column], where: str) -> Labels:
    """Labels by their names, if there are any; else by the values that occur, as `label_table` has it.

    parts: the whole column, piece by piece; read only without names. Raises DataError for more than
    MAX_CLASSES values.
    """
    if names is not None:
        return Labels(column, names)
    where, found = f"{where}: column {column}", set()
    for part in parts:
        with reading(where):
            found |= set(plain(part).unique().to_pylist())
        require_classes(len(found), where)
    values = sorted(found - {None})
    classes, label = label_table(map(str, values), where)
    return Labels(column, classes, values, tuple(label[str(each)] for each in values))


def class_names(schema: pa.Schema, column: str | None, where: str) -> list[str] | None:
    """The names that Hugging Face's metadata have for a ClassLabel, or None. Raises DataError if they are no
    names."""
    feature = features(schema, where).get(column or "", {})
    names = feature.get("names")
    if feature.get("_type") != "ClassLabel" or names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise DataError(f"{where}: the class names in its huggingface metadata are no list of names")
    return names


def label_table(found: Iterable[str], where: str) -> tuple[list[str], dict[str, int]]:
    """Class names by label, and the label of each text that was found.

    The names are the distinct values, sorted, as numbers if all are whole: 0, 1, ... without a gap are
    themselves labels, and -1 beside them is none, nor is an empty text. Raises DataError for more than
    MAX_CLASSES.
    """
    texts = set(found) - {""}
    require_classes(len(texts), where)
    if all(map(_WHOLE.fullmatch, texts)):
        numbers = sorted({int(text) for text in texts})
        if numbers[:1] == [-1] and numbers[1:] == list(range(len(numbers) - 1)):
            numbers = numbers[1:]
        label = {number: index for index, number in enumerate(numbers)}
        return [str(number) for number in numbers], {"": -1} | {
            text: label.get(int(text), -1) for text in texts
        }
    names = sorted(texts)
    return names, {"": -1} | {text: index for index, text in enumerate(names)}


def require_classes(count: int, where: str) -> None:
    """Raise DataError for more than MAX_CLASSES."""
    if count > MAX_CLASSES:
        raise DataError(
            f"{where} has more than {MAX_CLASSES:,} distinct labels, which are no classes: set "
            "data.label_column to another"
        )


def count_labels(labels: np.ndarray, classes: list[str]) -> tuple[int, ...]:
    """How many images each class has; labels: (n,) integers, -1 for none."""
    return tuple(np.bincount(labels[labels >= 0], minlength=len(classes)).tolist())
