"""Which columns of a table hold images, labels and the user's own values."""

import json
import re
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute

from preimage.data.sources.base import RESERVED, LeftOut
from preimage.data.sources.read_errors import reading
from preimage.errors import DataError

MAX_CLASSES = 100_000
"""A column with more distinct values holds no labels; they are also kept in memory."""
_LABELS = re.compile(r"label|class|categor|target", re.I)
Column: TypeAlias = "pa.Array | pa.ChunkedArray"
pc: Any = pyarrow.compute  # whose functions are made when it is imported: no type checker knows them


class Labels(NamedTuple):
    """How the values of a column become labels."""

    column: str
    classes: list[str]
    values: pa.Array | None = None
    """The value of each class; None if the values are the labels themselves."""

    def encode(self, column: Column, where: str) -> np.ndarray:
        """Labels (n,) int64 of a column's values; -1 for null. Raises DataError for a value of no class."""
        with reading(where):
            values = plain(column)
            known = self.values is None
            labels = pc.cast(values, pa.int64()) if known else pc.index_in(values, value_set=self.values)
            found = np.asarray(pc.fill_null(labels, -1), np.int64)
        if labels.null_count > values.null_count:
            raise DataError(f"{where}: column {self.column} changed while it was read; run again")
        if len(found):
            self.check(int(found.min()), int(found.max()), where)
        return found

    def check(self, lowest: Any, highest: Any, where: str) -> None:
        """Raise DataError unless labels in these bounds have a class."""
        if lowest < -1 or highest >= len(self.classes):
            wrong = lowest if lowest < -1 else highest
            raise DataError(
                f"{where}: column {self.column} holds {wrong}, but its {len(self.classes)} class names are "
                f"for 0 to {len(self.classes) - 1}; correct the names or the labels"
            )


def features(schema: pa.Schema, where: str) -> dict[str, dict[str, Any]]:
    """What Hugging Face's metadata say of each column; empty without any. Raises DataError if they are
    damaged."""
    text = (schema.metadata or {}).get(b"huggingface")
    try:
        found = json.loads(text)["info"].get("features") if text else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{where}: its huggingface metadata are damaged ({error}); write the file again"
        ) from error
    named = found.items() if isinstance(found, dict) else ()
    return {name: each for name, each in named if isinstance(each, dict) and name in schema.names}


def class_names(feature: dict[str, Any] | None, where: str) -> list[str] | None:
    """The names of a ClassLabel, or None. Raises DataError if they are no names."""
    names = (feature or {}).get("names")
    if feature is None or feature.get("_type") != "ClassLabel" or names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise DataError(f"{where}: the class names in its huggingface metadata are no list of names")
    return names


def find_image_column(schema: pa.Schema, chosen: str | None, where: str) -> str:
    """The chosen column, or the only one that may hold images; those that the metadata call images first.

    Raises DataError if there is no such column, or where it is unclear.
    """
    if chosen is not None:
        require_column(schema, chosen, "image_column", where)
        if not _holds_images(schema.field(chosen).type):
            raise DataError(
                f"{where}: column {chosen} is of type {schema.field(chosen).type}; images are binary, or a "
                "struct of bytes and path"
            )
        return chosen
    possible = [field.name for field in schema if _holds_images(field.type)]
    declared = [name for name, each in features(schema, where).items() if each.get("_type") == "Image"]
    found = [name for name in possible if name in declared] or possible
    if not found:
        raise DataError(
            f"{where} has no column of images, which are binary or a struct of bytes and path; its columns: "
            f"{described(schema)}"
        )
    if len(found) > 1:
        raise DataError(
            f"{where} has several columns of images: set data.image_column to one of {', '.join(found)}"
        )
    return found[0]


def find_label_column(schema: pa.Schema, chosen: str | None, where: str) -> str | None:
    """The column of labels: the chosen one, the only ClassLabel, or one called `label`; else None.

    Raises DataError if the chosen one is missing or holds no labels, or if there are several ClassLabels.
    """
    if chosen is not None:
        require_column(schema, chosen, "label_column", where)
        if not _holds_labels(schema.field(chosen).type):
            raise DataError(
                f"{where}: column {chosen} is of type {schema.field(chosen).type}; labels are integers, "
                "strings or booleans"
            )
        return chosen
    named = [name for name, each in features(schema, where).items() if each.get("_type") == "ClassLabel"]
    if len(named) > 1 and "label" not in named:
        raise DataError(
            f"{where} has several columns of labels: set data.label_column to one of {', '.join(named)}"
        )
    candidate = named[0] if len(named) == 1 else "label"
    return candidate if candidate in schema.names and _holds_labels(schema.field(candidate).type) else None


def label_notes(schema: pa.Schema, label: str | None) -> tuple[str, ...]:
    """What to say where no column was found to hold labels, but one is called as if it did."""
    named = [each.name for each in schema if _LABELS.search(each.name) and _holds_labels(each.type)]
    if label is not None or not named:
        return ()
    choices = " or ".join(f"data.label_column={name}" for name in named[:8])
    return (f"no column is called label, so no labels are read; to read them, set {choices}",)


def labels_of(column: str, names: list[str] | None, parts: Iterable[Column], where: str) -> Labels:
    """Labels by their names, if there are any and the column holds integers; else by the values that occur.

    parts: the whole column, piece by piece; read only without names. Integers 0, 1, ... without a gap are
    labels, and -1 is none. Raises DataError for more than MAX_CLASSES values.
    """
    if names is not None:
        return Labels(column, names)
    found: set[Any] = set()
    for part in parts:
        with reading(where):
            found |= set(plain(part).unique().to_pylist())
        if len(found) > MAX_CLASSES:
            raise DataError(
                f"{where}: column {column} has more than {MAX_CLASSES:,} distinct values, which are no "
                "classes: set data.label_column to another"
            )
    values = sorted(found - {None})
    labelled = [each for each in values if each != -1]
    if all(type(each) is int for each in values) and labelled == list(range(len(labelled))):
        return Labels(column, [str(each) for each in labelled])
    return Labels(column, [str(each) for each in values], pa.array(values))


def own_columns(schema: pa.Schema, taken: Collection[str | None]) -> tuple[pa.Schema, list[LeftOut]]:
    """The columns that are neither images nor labels, by the types that `plain` gives; which have others."""
    kept: dict[str, pa.DataType] = {}
    others: dict[str, list[str]] = {}
    for field in schema:
        if field.name not in taken:
            if kind := plain_type(field.type):
                kept[field.name] = kind
            else:
                others.setdefault(str(field.type), []).append(field.name)
    ours = [name for name in RESERVED if kept.pop(name, None)]
    left_out = (
        [LeftOut("columns whose names images.parquet takes for itself", len(ours), tuple(ours))]
        if ours
        else []
    )
    left_out += [
        LeftOut(f"columns of type {of}", len(names), tuple(names[:3])) for of, names in others.items()
    ]
    return pa.schema(kept), left_out


def plain_type(kind: pa.DataType) -> pa.DataType | None:
    """Integers, floats, booleans as they are; strings of every kind, dates and times as strings; or None."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return kind
    is_text = is_string(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    return pa.string() if is_text else None


def plain(column: Column) -> Column:
    """Values as `plain_type` has them; an empty string is null, as in a CSV."""
    kind = plain_type(column.type)
    values = pc.cast(column, kind) if kind and kind != column.type else column
    if values.type == pa.string():
        return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    return values


def is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def require_column(schema: pa.Schema, name: str, key: str, where: str) -> None:
    """Raise DataError if a column that the config names is missing."""
    if name not in schema.names:
        raise DataError(f"{where} has no column {name}: set data.{key} to one of {described(schema)}")


def require_names(schema: pa.Schema, where: str) -> None:
    """Raise DataError if two columns have one name, or one has a name that is no text."""
    try:
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: the name of a column is not UTF-8: rename it") from error
    if twice:
        raise DataError(f"{where} has two columns called {', '.join(twice)}: rename one")


def described(schema: pa.Schema) -> str:
    """The columns and their types, for a message; the first 20."""
    more = f" and {len(schema) - 20} more" if len(schema) > 20 else ""
    return ", ".join(f"{field.name} ({field.type})" for field in list(schema)[:20]) + more


def _holds_labels(kind: pa.DataType) -> bool:
    found = plain_type(kind)
    return found is not None and not pa.types.is_floating(found)


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        fields = {each.name: each.type for each in kind}
        return "bytes" in fields and is_binary(fields["bytes"])
    return is_binary(kind)
