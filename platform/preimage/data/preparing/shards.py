"""One shard of a prepared dataset: which images it holds, and how its Parquet file is written."""

import hashlib
import io
from dataclasses import asdict
from math import prod
from typing import Any, TypedDict, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preimage.data.config import DataConfig
from preimage.data.decoding.sixteen_bits import Levels
from preimage.data.preparing.content import ReadPiece
from preimage.data.preparing.decoded import Skipped, strictly
from preimage.data.preparing.shard_images import ShardImages
from preimage.data.preparing.shard_plan import ShardPlan, shard_file
from preimage.errors import StorageError
from preimage.storage.folder import Folder, digest

GROUP_ROWS = 512
"""Rows that a reader must read together."""


class Record(TypedDict):
    """The record of a finished shard."""

    key: str
    file: str
    images: int
    """How many images it was made from."""
    rows: int
    bytes: int
    sha256: str
    """Of the file."""
    content: str
    """SHA-256 of image ids, labels and pixels, whatever library version wrote the file."""
    read: list[ReadPiece]
    """What was read of the source for it, if it was read then."""
    levels: dict[str, int]
    """Of the 16-bit images that were decoded for it."""
    skipped: list[Skipped]


def write_shard(
    images: ShardImages, config: DataConfig, plan: ShardPlan, shard: int, folder: Folder
) -> Record:
    """Write a shard's file, then its record.

    Raises StorageError if the folder cannot be written.
    """
    image_ids = plan.image_ids(shard)
    kept, pixels, labels = _columns(images, config, image_ids)
    data = _parquet(kept, pixels, labels)
    folder.write(shard_file(shard), data)
    content = hashlib.sha256()
    for column in (kept, labels, pixels):
        content.update(np.ascontiguousarray(column).data)
    record = Record(
        key=plan.key, file=shard_file(shard), images=len(image_ids), rows=len(kept), bytes=len(data),
        sha256=digest(data), content=content.hexdigest(), read=images.read(image_ids), skipped=images.skipped,
        levels=asdict(images.levels),
    )  # fmt: skip
    _records(folder).write_json(f"{shard_file(shard)}.json", record)
    return record


def read_record(plan: ShardPlan, shard: int, folder: Folder) -> Record | None:
    """The record of a shard that an earlier preparation finished, or None."""
    name = f"{shard_file(shard)}.json"
    try:
        record: Record = _records(folder).read_json(name)
        whole = record["bytes"] == folder.size(shard_file(shard)) and record["key"] == plan.key
        whole = whole and record["file"] == shard_file(shard) and _is_record(record)
    except (StorageError, KeyError, TypeError, AttributeError):  # missing or altered: the shard is redone
        return None
    return record if whole else None


def _is_record(record: Record) -> bool:
    """Whether every field is present with its type, and no image is missing."""
    listed = [("skipped", Skipped), ("read", ReadPiece)]
    parts = [(each, kind) for name, kind in listed for each in record[name]]
    fields = [(record, Record), *parts]
    typed = all(
        value.keys() == kind.__annotations__.keys()
        and all(isinstance(value[name], get_origin(of) or of) for name, of in get_type_hints(kind).items())
        for value, kind in fields
    )
    levels = record["levels"]
    typed = (
        typed and levels.keys() == asdict(Levels()).keys() and all(type(n) is int for n in levels.values())
    )
    return typed and record["rows"] >= 0 and record["rows"] + len(record["skipped"]) == record["images"]


def _records(folder: Folder) -> Folder:
    return folder / "records"


def _columns(
    images: ShardImages, config: DataConfig, image_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids (n,) int64, pixels (n, C, H, W) uint8 and labels (n,) int32 of what is not skipped."""
    pixels = np.empty((len(image_ids), *config.shape), np.uint8)
    labels = np.empty(len(image_ids), np.int32)
    kept: list[int] = []
    with strictly():
        every = image_ids.tolist()
        for image_id, image in zip(every, images.get(every), strict=True):
            if image is not None:
                pixels[len(kept)], labels[len(kept)] = image.pixels, image.label
                kept.append(image_id)
    return np.array(kept, np.int64), pixels[: len(kept)], labels[: len(kept)]


def _parquet(image_ids: np.ndarray, pixels: np.ndarray, labels: np.ndarray) -> memoryview:
    """The bytes of a Parquet file whose pages carry checksums."""
    width = prod(pixels.shape[1:])
    buffers: Any = [None, pa.py_buffer(pixels.reshape(-1))]  # no row is null
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(pixels), buffers)
    table = pa.table({"image_id": pa.array(image_ids), "pixels": column, "label": pa.array(labels)})
    sink = io.BytesIO()
    pq.write_table(
        table, sink, row_group_size=GROUP_ROWS, compression="zstd", compression_level=1,
        use_dictionary=False, write_statistics=False, write_page_checksum=True,
    )  # fmt: skip
    return sink.getbuffer()
