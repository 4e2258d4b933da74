"""Write images.parquet: from an image's id to the user's own file, its label and the user's columns."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preimage.data.preparing.shard_plan import ShardPlan
from preimage.data.sources.base import MapSource, Row
from preimage.errors import DataError
from preimage.storage.folder import Folder

IMAGES = "images.parquet"
_CHUNK = 8192


def schema_of(columns: pa.Schema) -> pa.Schema:
    """Of images.parquet, of a source with these columns of its own."""
    return pa.schema([("image_id", pa.int64()), ("name", pa.string()), ("label", pa.int32()), *columns])


def table_of(image_ids: Sequence[int], rows: Sequence[Row], columns: pa.Schema) -> pa.Table:
    """Rows of images.parquet."""
    schema = schema_of(columns)
    values: dict[str, Any] = {
        "image_id": list(image_ids),
        "name": [row.name for row in rows],
        "label": [row.label for row in rows],
    }
    own = {name: [row.columns.get(name) for row in rows] for name in schema.names[3:]}
    return pa.table(values | own, schema=schema)


def rows_of(source: MapSource, plan: ShardPlan, skipped: Iterable[int]) -> Iterator[pa.Table]:
    """The rows of all images that are used and were not skipped, in the order of their ids."""
    missing = np.fromiter(skipped, np.int64)
    for first in range(0, plan.available, _CHUNK):
        image_ids = np.arange(first, min(first + _CHUNK, plan.available))
        used = image_ids[plan.is_used(image_ids) & ~np.isin(image_ids, missing)].tolist()
        if used:
            yield table_of(used, [source.row(image_id) for image_id in used], source.columns)


def write_images(folder: Folder, tables: Iterable[pa.Table], columns: pa.Schema, classes: int) -> list[int]:
    """Write images.parquet. Returns the number of images by label. Raises StorageError, and DataError for
    a label of no class."""
    counts = np.zeros(classes, np.int64)
    with (
        folder.writing(IMAGES) as stream,
        pq.ParquetWriter(stream, schema_of(columns), compression="zstd", write_page_checksum=True) as writer,
    ):
        for table in tables:
            writer.write_table(table)
            labels = table.column("label").to_numpy()
            _require_classes(table, labels, classes)
            counts += np.bincount(labels[labels >= 0], minlength=classes)[:classes]
    return counts.tolist()


def _require_classes(table: pa.Table, labels: np.ndarray, classes: int) -> None:
    """Raise DataError if the source has classes, and an image a label of none of them."""
    if classes and len(wrong := np.flatnonzero(labels >= classes)):
        name, label = table.column("name")[int(wrong[0])].as_py(), labels[wrong[0]]
        raise DataError(f"{name} has the label {label}, but there are {classes} classes: correct its source")
