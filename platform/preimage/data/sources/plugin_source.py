"""What a plugin's source must be, checked when it is opened, so that one sentence tells its author."""

from typing import Any

import numpy as np
import pyarrow as pa
from typing_extensions import get_protocol_members

from preimage.data.decoding.decode import UNREADABLE
from preimage.data.sources.base import (
    RESERVED,
    AnySource,
    Contents,
    IterableSource,
    MapSource,
    Row,
    Signature,
    is_iterable,
)
from preimage.storage.folder import canonical_json

_KINDS = {"classes": list, "columns": pa.Schema, "contents": Contents, "signature": Signature}


def require_source(found: Any) -> AnySource:
    """The source. Raises TypeError or ValueError if it is none, or its first image is none."""
    protocol = IterableSource if hasattr(found, "pieces") else MapSource
    lacking = [name for name in get_protocol_members(protocol) if not hasattr(found, name)]
    if lacking:
        raise TypeError(f"{type(found).__name__} is no {protocol.__name__}: it lacks {_listed(lacking)}")
    for name, kind in _KINDS.items():
        if not isinstance(getattr(found, name), kind):
            raise TypeError(f"its {name} must be of the type {kind.__name__}")
    source: AnySource = found
    if taken := set(RESERVED) & set(source.columns.names):
        raise ValueError(f"its columns are called as every source's are, {_listed(taken)}: rename them")
    if len(source) and not is_iterable(source):
        _require_image(source)
    return source


def _require_image(source: MapSource) -> None:
    row = source.row(0)
    if not isinstance(row, Row):
        raise TypeError(f"its row(0) must be a Row, not of the type {type(row).__name__}")
    if source.classes and not -1 <= row.label < len(source.classes):
        raise ValueError(f"its row(0) has the label {row.label}, but there are {len(source.classes)} classes")
    if unknown := row.columns.keys() - set(source.columns.names):
        raise ValueError(f"its row(0) has columns that it does not declare, {_listed(unknown)}")
    try:
        canonical_json({**row.columns})
        pa.Table.from_pylist([{**row.columns}], schema=source.columns)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise TypeError(f"its row(0) has values of other types than its columns: {error}") from error
    try:
        content = source.load(0)
    except UNREADABLE:  # an image like any other that cannot be read
        return
    if not isinstance(content, bytes | np.ndarray):
        raise TypeError(f"its load(0) must be bytes or an array, not of the type {type(content).__name__}")


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
