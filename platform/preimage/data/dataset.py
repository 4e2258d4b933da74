"""A prepared dataset: Parquet shards of uint8 images with a manifest, read by row range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ArrowException, Table
from pydantic import Field, ValidationError

from preimage.config import Config, mistakes_in
from preimage.data.config import DataConfig, require_source
from preimage.data.image_shape import ImageSize, Shape
from preimage.data.preparing.shards import GROUP_ROWS
from preimage.data.sources.base import Contents, LeftOut
from preimage.errors import DataError, PluginError, StorageError
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.storage.formats import DATASET, Kept, Kind
from preimage.to_device import rows_to_device

if TYPE_CHECKING:
    import torch

MANIFEST = "manifest.json"


class Images(NamedTuple):
    """Rows of a dataset."""

    image_id: torch.Tensor
    """(n,) int64: the index in the source's own order."""
    pixels: torch.Tensor
    """(n, C, H, W) uint8."""
    labels: torch.Tensor
    """(n,) int32; -1 for no label."""

    def on(self, device: torch.device) -> Images:
        """The same images with their pixels on a device."""
        return self._replace(pixels=self.pixels.to(device))

    def batch(self, rows: torch.Tensor, device: torch.device) -> torch.Tensor:
        """Images (n, C, H, W) float32 in [-1, 1] on `device`; rows: (n,), on any device."""
        from preimage.data.pixels import to_float

        return to_float(rows_to_device(self.pixels, rows, device))


_Count = Annotated[int, Field(ge=0, le=1 << 48)]


class _Shard(Config):
    file: str
    rows: _Count
    bytes: _Count
    sha256: str
    content: str


class _ReadPiece(Config):
    state: str
    content: str = Field(pattern="^[0-9a-f]{64}$")


class _Manifest(Kept):
    kept_as: ClassVar[Kind] = DATASET
    key: str
    identity: str
    listing: str
    fingerprint: str
    config: DataConfig
    classes: list[str]
    class_counts: list[_Count]
    splits: dict[str, _Count]
    left_out: list[dict[str, Any]]
    available: _Count
    notes: list[str]
    count: _Count
    size: ImageSize
    channels: int
    shards: list[_Shard]
    read: list[_ReadPiece]
    skipped: list[dict[str, Any]]
    plugins: dict[str, str] = Field(default_factory=dict)
    """Of its source: the version by the distribution's name."""


@dataclass(frozen=True)
class Dataset:
    """Rows in a fixed shuffle of the source: any contiguous range is a fair sample."""

    folder: Folder
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Folder) -> Dataset:
        """Open a finished dataset; checks only the names and sizes of its shards.

        Raises DataError if it is unfinished or lacks a shard, FormatError if it is of another format.
        """
        found = cls.find(folder)
        if found is None:
            raise DataError(
                f"{folder.uri} has no {MANIFEST}: it was moved or deleted, or its preparation "
                "did not finish; run that again"
            )
        return found

    @classmethod
    def find(cls, folder: Folder) -> Dataset | None:
        """The same, or None if it is unfinished or there is none."""
        data = folder.find(MANIFEST)
        if data is None:
            return None
        try:
            manifest = folder.parsed(MANIFEST, data)
            DATASET.require(manifest, folder)
            require_source(manifest["config"], manifest, f"the dataset {folder.uri}")
            _check_manifest(_Manifest.model_validate(manifest))
            _check_shards(folder, manifest["shards"])
        except PluginError:
            raise
        except (StorageError, OSError, LookupError, TypeError, ValueError) as error:
            problem = mistakes_in(error) if isinstance(error, ValidationError) else error
            raise DataError(
                f"{folder / MANIFEST} is damaged ({problem}); delete it and prepare again"
            ) from error
        return cls(folder, manifest)

    @property
    def key(self) -> str:
        """Identifies its settings and the state of the files it was made from."""
        return self.manifest["key"]

    @property
    def identity(self) -> str:
        """Identifies what its source holds: the same for a copy."""
        return self.manifest["identity"]

    @property
    def count(self) -> int:
        return self.manifest["count"]

    @property
    def available(self) -> int:
        """Images in the source; `Permutation(available)` orders the rows, without images that were skipped
        or exceed `max_images`."""
        return self.manifest["available"]

    @property
    def shape(self) -> Shape:
        """An image's, (C, H, W)."""
        return self.config.shape

    @property
    def classes(self) -> list[str]:
        """Class names by label; empty if there are none."""
        return self.manifest["classes"]

    @property
    def contents(self) -> Contents:
        """What its source held, and what was not read; the counts by class are of its own images."""
        left_out = [LeftOut(**each) for each in self.manifest["left_out"]]
        if self.skipped:
            names = tuple(image["name"] for image in self.skipped[:3])
            left_out.append(LeftOut("unreadable, skipped", len(self.skipped), names))
        notes = tuple(self.manifest["notes"])
        return Contents(self.manifest["splits"], tuple(self.manifest["class_counts"]), tuple(left_out), notes)

    @property
    def fingerprint(self) -> str:
        """Identifies the content: equal for the same ids, labels and pixels in the same order."""
        return self.manifest["fingerprint"]

    @property
    def skipped(self) -> list[Any]:
        """Unreadable images that were skipped, as {image_id, name, error}."""
        return self.manifest["skipped"]

    @cached_property
    def config(self) -> DataConfig:
        return DataConfig.model_validate(self.manifest["config"])

    @property
    def _schema(self) -> pa.Schema:
        return pa.schema({"image_id": pa.int64(), "pixels": pa.binary(prod(self.shape)), "label": pa.int32()})

    def __len__(self) -> int:
        return self.count

    def read(self, start: int, stop: int) -> Images:
        """Rows start to stop, from the row groups that hold them.

        Raises DataError if a shard is damaged, or the rows do not fit in memory.
        """
        import torch

        if not 0 <= start <= stop <= self.count:
            raise ValueError(f"rows {start} to {stop} of a dataset of {self.count}")
        image_id = _allocate(stop - start, torch.int64)
        pixels = _allocate((stop - start, *self.shape), torch.uint8)
        labels = _allocate(stop - start, torch.int32)
        filled = 0
        for table in self._tables(start, stop):
            rows = slice(filled, filled + table.num_rows)
            image_id.numpy()[rows] = table.column("image_id").to_numpy()
            labels.numpy()[rows] = table.column("label").to_numpy()
            pixels.numpy()[rows] = _pixels(table).reshape(-1, *pixels.shape[1:])
            filled += table.num_rows
        if filled != stop - start:
            raise DataError(f"{self.folder.uri} holds {filled} of the rows {start} to {stop}; {_AGAIN}")
        return Images(image_id, pixels, labels)

    def verify(self) -> None:
        """Read every shard and compare its SHA-256 with the manifest's.

        Raises DataError naming those that differ.
        """
        changed = [
            s["file"] for s in self.manifest["shards"] if digest(self.folder.read(s["file"])) != s["sha256"]
        ]
        if changed:
            raise DataError(f"{self.folder.uri}: {', '.join(changed)} changed since preparation; {_AGAIN}")

    def _tables(self, start: int, stop: int) -> Iterator[Table]:
        """Tables that make up rows start to stop, each at most a row group."""
        ends = accumulate(shard["rows"] for shard in self.manifest["shards"])
        for shard, end in zip(self.manifest["shards"], ends, strict=True):
            first = end - shard["rows"]
            if first < stop and start < end:
                yield from self._groups(shard, max(0, start - first), min(shard["rows"], stop - first))

    def _groups(self, shard: dict[str, Any], start: int, stop: int) -> Iterator[Table]:
        path = f"{self.folder.path}/{shard['file']}"
        try:
            with (
                self.folder.filesystem.open_input_file(path) as stream,
                pq.ParquetFile(
                    stream, pre_buffer=not self.folder.is_local, page_checksum_verification=True
                ) as parquet,
            ):
                if parquet.metadata.num_rows != shard["rows"]:
                    raise DataError(f"{self.folder / shard['file']} has the wrong row count; {_AGAIN}")
                if not parquet.schema_arrow.equals(self._schema):
                    raise DataError(f"{self.folder / shard['file']} has the wrong columns; {_AGAIN}")
                end = 0
                for group in range(parquet.num_row_groups):
                    first, end = end, end + parquet.metadata.row_group(group).num_rows
                    if not 0 <= end - first <= GROUP_ROWS:  # a tiny file can claim any number
                        raise DataError(f"{self.folder / shard['file']} has bad row groups; {_AGAIN}")
                    if first < stop and start < end:
                        table = parquet.read_row_group(group)
                        if len(table) != end - first or any(each.null_count for each in table.columns):
                            raise DataError(f"{self.folder / shard['file']} lacks values; {_AGAIN}")
                        yield table.slice(max(0, start - first), min(end, stop) - max(first, start))
        except (OSError, ValueError, ArrowException) as error:
            raise DataError(f"{self.folder / shard['file']} is damaged ({error}); {_AGAIN}") from error


_AGAIN = "delete that file and prepare again (preimage data prepare), which makes only what is missing"


def fingerprint(shards: list[dict[str, Any]]) -> str:
    """Identifies shards, given as {content, rows, ...} in order."""
    return digest(canonical_json([[shard["content"], shard["rows"]] for shard in shards]).encode())


def _check_manifest(manifest: _Manifest) -> None:
    """Raises ValueError if a manifest contradicts itself."""
    shards = [shard.model_dump() for shard in manifest.shards]
    if manifest.count != sum(shard.rows for shard in manifest.shards):
        raise ValueError(f"its count {manifest.count} does not match its shards")
    if (manifest.size, manifest.channels) != (manifest.config.size, manifest.config.channels):
        raise ValueError("its image size does not match its config")
    if manifest.fingerprint != fingerprint(shards):
        raise ValueError("its fingerprint does not match its shards")


def _allocate(shape: Any, kind: torch.dtype) -> torch.Tensor:
    import torch

    try:
        return torch.empty(shape, dtype=kind)
    except (RuntimeError, TypeError) as error:
        raise DataError(f"the images do not fit in memory: {error}") from error


def _check_shards(folder: Folder, shards: list[dict[str, Any]]) -> None:
    found = {each.name: each.size for each in folder.entries()}
    missing = [shard["file"] for shard in shards if shard["file"] not in found]
    if missing:
        raise DataError(f"{folder.uri} lacks {', '.join(missing)}; prepare again (preimage data prepare)")
    changed = [shard["file"] for shard in shards if found[shard["file"]] != shard["bytes"]]
    if changed:
        raise DataError(f"{folder.uri}: {', '.join(changed)} changed in size since preparation; {_AGAIN}")


def _pixels(table: Table) -> np.ndarray:
    """The bytes of all rows, (n * C * H * W,) uint8, without a copy."""
    column = table.column("pixels").combine_chunks()
    width = column.type.byte_width
    return np.frombuffer(column.buffers()[1], np.uint8, len(column) * width, column.offset * width)
