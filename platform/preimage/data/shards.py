"""One shard of a prepared dataset: which images it holds, and how its Parquet file is written."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, TypedDict, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from preimage.data.config import DataConfig
from preimage.data.decode import UNREADABLE, to_pixels
from preimage.data.sources import Source
from preimage.errors import StorageError
from preimage.storage.folder import Folder, digest

SHARD_BYTES = 24 << 20
GROUP_ROWS = 512
"""Rows that a reader must read together."""

_SHUFFLE = 20_240_917
_SPREAD = 16  # at least this many shards, if there are enough images
_FEWEST = 256


class Skipped(TypedDict):
    """An image that could not be decoded."""

    image_id: int
    name: str
    error: str


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
    skipped: list[Skipped]


@dataclass(frozen=True)
class ShardPlan:
    """Which images of the source each shard holds; the same for any number of workers."""

    key: str
    available: int
    """Images in the source."""
    images: int
    """Images to use."""
    step: int
    """Images per shard."""

    @property
    def shards(self) -> int:
        return -(-self.images // self.step)

    def image_ids(self, shard: int) -> np.ndarray:
        """(n,) int64: a range of one fixed shuffle of the source, so that any range is a fair sample."""
        return _order(self.available)[shard * self.step : min((shard + 1) * self.step, self.images)]


@lru_cache(maxsize=1)
def _order(available: int) -> np.ndarray:
    """The shuffle of all images, (n,) int64, made once per process: 8 bytes and some 60 ns per image."""
    # RandomState's stream is the one that NumPy keeps stable across versions.
    return np.random.RandomState(_SHUFFLE).permutation(available).astype(np.int64, copy=False)


def plan_shards(config: DataConfig, key: str, available: int) -> ShardPlan:
    """Shards of about 24 MiB, or smaller if a small dataset would leave workers idle."""
    images = min(available, config.max_images or available)
    by_bytes = SHARD_BYTES // (prod(config.shape))
    by_spread = max(_FEWEST, -(-images // _SPREAD))
    step = min(by_bytes, by_spread)
    return ShardPlan(key, available, images, max(1, step - step % _FEWEST if step > _FEWEST else step))


def shard_file(shard: int) -> str:
    return f"part-{shard:05d}.parquet"


def write_shard(source: Source, config: DataConfig, plan: ShardPlan, shard: int, folder: Folder) -> Record:
    """Decode a shard's images and write its file, then its record.

    Raises StorageError if the folder cannot be written.
    """
    image_ids = plan.image_ids(shard)
    kept, pixels, labels, skipped = _decode(source, config, image_ids)
    data = _parquet(kept, pixels, labels)
    folder.write(shard_file(shard), data)
    content = hashlib.sha256()
    for column in (kept, labels, pixels):
        content.update(np.ascontiguousarray(column).data)
    record = Record(
        key=plan.key, file=shard_file(shard), images=len(image_ids), rows=len(kept), bytes=len(data),
        sha256=digest(data), content=content.hexdigest(), skipped=skipped,
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
    fields = [(record, Record), *((each, Skipped) for each in record["skipped"])]
    typed = all(
        value.keys() == kind.__annotations__.keys()
        and all(isinstance(value[name], get_origin(of) or of) for name, of in get_type_hints(kind).items())
        for value, kind in fields
    )
    return typed and record["rows"] >= 0 and record["rows"] + len(record["skipped"]) == record["images"]


def _records(folder: Folder) -> Folder:
    return folder / "records"


def _decode(
    source: Source, config: DataConfig, image_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Skipped]]:
    """Ids (n,) int64, pixels (n, C, H, W) uint8, labels (n,) int32 of what was decoded; what was skipped."""
    pixels = np.empty((len(image_ids), *config.shape), np.uint8)
    labels = np.empty(len(image_ids), np.int32)
    kept: list[int] = []
    skipped: list[Skipped] = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # the last filter takes precedence
        for image_id in image_ids.tolist():
            try:
                image, label = source.read(image_id)
                pixels[len(kept)] = to_pixels(image, config.shape, config.crop)
            except UNREADABLE as error:
                reason = f"{type(error).__name__}: {error}"[:300]
                skipped.append(Skipped(image_id=image_id, name=source.describe(image_id), error=reason))
                continue
            labels[len(kept)] = label
            kept.append(image_id)
    return np.array(kept, np.int64), pixels[: len(kept)], labels[: len(kept)], skipped


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
