"""Which columns of a table hold images, labels and the user's own values."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute

from preimage.data.sources.base import RESERVED, LeftOut
from preimage.data.sources.unread_files import left_out
from preimage.errors import DataError

_IMAGES = "images are binary, or a struct of bytes and path"
_LABELS = re.compile(r"label|class|categor|target", re.I)
Column: TypeAlias = "pa.Array | pa.ChunkedArray"
pc: Any = pyarrow.compute  # whose functions are made when it is imported: no type checker knows them


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


def find_image_column(schema: pa.Schema, chosen: str | None, where: str) -> str:
    """The chosen column, or the only one that may hold images; those that the metadata call images first.

    Raises DataError if there is no such column, or where it is unclear.
    """
    if chosen is not None:
        require_column(schema, chosen, "image_column", where)
        _require_type(schema.field(chosen), _holds_images, _IMAGES, where)
        return chosen
    possible = [field.name for field in schema if _holds_images(field.type)]
    declared = [name for name, each in features(schema, where).items() if each.get("_type") == "Image"]
    found = [name for name in possible if name in declared] or possible
    if not found:
        raise DataError(f"{where} has no column of images; {_IMAGES}; its columns: {described(schema)}")
    if len(found) > 1:
        raise DataError(
            f"{where} has several columns of images: set data.image_column to one of {', '.join(found)}"
        )
    return found[0]


def find_label_column(schema: pa.Schema, chosen: str | None, image: str, where: str) -> str | None:
    """The column of labels: the chosen one, the only ClassLabel, or one called `label`; else None.

    image: the column of images. Raises DataError if the chosen one is missing, is that one or holds no
    labels, or if there are several ClassLabels.
    """
    if image == chosen:
        raise DataError(f"{where}: column {image} cannot hold both images and labels")
    if chosen is not None:
        require_column(schema, chosen, "label_column", where)
        _require_type(schema.field(chosen), _holds_labels, "labels are integers, strings or booleans", where)
        return chosen
    named = [name for name, each in features(schema, where).items() if each.get("_type") == "ClassLabel"]
    if len(named) > 1 and "label" not in named:
        raise DataError(
            f"{where} has several columns of labels: set data.label_column to one of {', '.join(named)}"
        )
    candidate = named[0] if len(named) == 1 else "label"
    possible = [field.name for field in schema if field.name != image and _holds_labels(field.type)]
    return candidate if candidate in possible else None


def label_notes(schema: pa.Schema, label: str | None) -> tuple[str, ...]:
    """What to say where no column was found to hold labels, but one is called as if it did."""
    named = [each.name for each in schema if _LABELS.search(each.name) and _holds_labels(each.type)]
    if label is not None or not named:
        return ()
    choices = " or ".join(f"data.label_column={name}" for name in named[:8])
    return (f"no column is called label, so no labels are read; to read them, set {choices}",)


def own_columns(
    kinds: Mapping[str, pa.DataType | str],
) -> tuple[pa.Schema, tuple[LeftOut, ...]]:
    """The user's own columns and those left out, from the type of each, or the reason why it has none."""
    why = {name: kind for name, kind in kinds.items() if isinstance(kind, str)}
    why |= {name: "columns whose names images.parquet takes for itself" for name in RESERVED if name in kinds}
    schema = pa.schema([(name, kind) for name, kind in kinds.items() if name not in why])
    return schema, left_out((reason, name) for name, reason in why.items())


def further_columns(
    schema: pa.Schema, taken: Collection[str | None]
) -> tuple[pa.Schema, tuple[LeftOut, ...]]:
    """`own_columns` of those that are neither images nor labels, by the types that `plain` gives."""
    fields = (field for field in schema if field.name not in taken)
    return own_columns(
        {each.name: plain_type(each.type) or f"columns of type {each.type}" for each in fields}
    )


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


def _require_type(field: pa.Field, holds: Callable[[pa.DataType], bool], what: str, where: str) -> None:
    if not holds(field.type):
        raise DataError(f"{where}: column {field.name} is of type {field.type}; {what}")


def _holds_labels(kind: pa.DataType) -> bool:
    found = plain_type(kind)
    return found is not None and not pa.types.is_floating(found)


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        fields = {each.name: each.type for each in kind}
        return "bytes" in fields and is_binary(fields["bytes"])
    return is_binary(kind)
