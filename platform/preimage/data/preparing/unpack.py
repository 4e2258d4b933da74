"""Unpack a source that is read in order, so that any of its images can then be read alone.

A shuffle needs every image by itself. So each piece of the source becomes a file of records of one size,
(label, pixels), and a table of what else is known of its images. The files are removed once the shards are
made."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import accumulate
from math import prod
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preimage.data.config import DataConfig
from preimage.data.decoding.sixteen_bits import Levels
from preimage.data.preparing.content import ReadPiece
from preimage.data.preparing.decoded import Decoder, Skipped, strictly
from preimage.data.preparing.images_writer import table_of
from preimage.data.preparing.shard_images import Decoded
from preimage.data.preparing.shard_plan import ShardPlan
from preimage.data.sources.base import IterableSource, Row
from preimage.data.sources.file_state import placed
from preimage.errors import DataError, StorageError
from preimage.storage.folder import Folder

_INT = np.dtype("<i4")
_AHEAD = 128
"""Images in memory besides those of the shard."""
_CONNECTIONS = 16
"""On object storage an image takes three requests."""


class UnpackedRecord(TypedDict):
    """The record of an unpacked piece."""

    key: str
    rows: int
    bytes: int
    """Of both files."""
    read: ReadPiece
    levels: dict[str, int]
    skipped: list[Skipped]


def unpack(
    source: IterableSource, config: DataConfig, plan: ShardPlan, piece: int, folder: Folder
) -> UnpackedRecord:
    """Decode the images of a piece that are used; write its files, then its record.

    Raises DataError if the piece cannot be read or does not hold what it said, StorageError if the folder
    cannot be written.
    """
    image_ids = np.arange(source.pieces[piece]) + sum(source.pieces[:piece])
    used, slots = plan.is_used(image_ids), np.full(len(image_ids), -1, _INT)
    decoder, kept, read = Decoder(config), _Kept(), 0
    with strictly(), folder.writing(_pixels(piece)) as stream:
        for place, sample in enumerate(source.read(piece)):
            read += 1
            if place < len(used) and used[place]:
                pixels = decoder.decode(int(image_ids[place]), sample)
                if pixels is not None:
                    slots[place] = kept.add(int(image_ids[place]), sample.row)
                    stream.write(np.array(sample.row.label, _INT).tobytes() + pixels.tobytes())
        if read != len(used):
            raise DataError(f"{config.path} changed while it was read: {read} images instead of {len(used)}")
        stream.write(slots.tobytes())
        size = stream.tell()
    rows = kept.parquet(source.columns)
    folder.write(_rows(piece), rows)
    record = UnpackedRecord(
        key=plan.key, rows=len(kept.rows), bytes=size + len(rows), skipped=decoder.skipped,
        levels=asdict(decoder.levels),
        read=ReadPiece(state=placed(source.piece_state(piece), config), content=decoder.content.hex),
    )  # fmt: skip
    folder.write_json(_record(piece), record)
    return record


def read_unpacked(plan: ShardPlan, piece: int, folder: Folder) -> UnpackedRecord | None:
    """The record of a piece that an earlier preparation unpacked, or None."""
    try:
        record: UnpackedRecord = folder.read_json(_record(piece))
        whole = record["key"] == plan.key
        whole = whole and record["bytes"] == folder.size(_pixels(piece)) + folder.size(_rows(piece))
        return record if whole and record.keys() == UnpackedRecord.__annotations__.keys() else None
    except (StorageError, KeyError, TypeError, AttributeError):  # missing or altered: the piece is redone
        return None


def unpacked_rows(piece: int, folder: Folder) -> pa.Table:
    """The rows of a piece in images.parquet."""
    return pq.read_table(pa.BufferReader(folder.read(_rows(piece))))


class FromUnpacked:
    """A shard's images, each read from its piece's file."""

    def __init__(self, folder: Folder, pieces: Sequence[int], config: DataConfig) -> None:
        self._folder, self._pieces, self._shape = folder, pieces, config.shape
        self._ends = np.array(list(accumulate(pieces)))
        self.skipped: list[Skipped] = []
        self.levels = Levels()
        self._known: dict[int, dict[int, Skipped]] = {}

    def get(self, image_ids: Sequence[int]) -> Iterator[Decoded | None]:
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            read = map if self._folder.is_local else pool.map  # which reads ahead
            for first in range(0, len(image_ids), _AHEAD):
                some = image_ids[first : first + _AHEAD]
                for image_id, record in zip(some, read(self._read, some), strict=True):
                    yield self._decoded(record) if record else self._skip(image_id)

    def _decoded(self, record: bytes) -> Decoded:
        pixels = np.frombuffer(record, np.uint8, offset=_INT.itemsize).reshape(self._shape)
        return Decoded(int(np.frombuffer(record, _INT, 1)[0]), pixels)

    def _skip(self, image_id: int) -> None:
        self.skipped.append(self._failures(self._piece(image_id))[image_id])

    def read(self, image_ids: np.ndarray) -> list[ReadPiece]:
        return []

    def _failures(self, piece: int) -> dict[int, Skipped]:
        """The images of a piece that could not be decoded, by id."""
        if piece not in self._known:
            record: UnpackedRecord = self._folder.read_json(_record(piece))
            self._known[piece] = {each["image_id"]: each for each in record["skipped"]}
        return self._known[piece]

    def _piece(self, image_id: int) -> int:
        return int(np.searchsorted(self._ends, image_id, side="right"))

    def _read(self, image_id: int) -> bytes | None:
        """The label and the pixels; None if it could not be decoded."""
        piece = self._piece(image_id)
        place = image_id - int(self._ends[piece]) + self._pieces[piece]
        size, path = _INT.itemsize + prod(self._shape), f"{self._folder.path}/{_pixels(piece)}"
        try:
            with self._folder.filesystem.open_input_file(path) as stream:
                records = stream.size() - _INT.itemsize * self._pieces[piece]
                slot = np.frombuffer(stream.read_at(_INT.itemsize, records + _INT.itemsize * place), _INT)[0]
                return None if slot < 0 else stream.read_at(size, size * int(slot))
        except (OSError, ValueError, IndexError) as error:
            raise StorageError(f"cannot read {self._folder / _pixels(piece)}: {error}") from error


class _Kept:
    """The rows of the images that were decoded, in order."""

    def __init__(self) -> None:
        self.image_ids: list[int] = []
        self.rows: list[Row] = []

    def add(self, image_id: int, row: Row) -> int:
        """Returns the row's place."""
        self.image_ids.append(image_id)
        self.rows.append(row)
        return len(self.rows) - 1

    def parquet(self, columns: pa.Schema) -> memoryview:
        sink = pa.BufferOutputStream()
        pq.write_table(table_of(self.image_ids, self.rows, columns), sink, write_page_checksum=True)
        return memoryview(sink.getvalue())


def _pixels(piece: int) -> str:
    return f"{piece:06d}.pixels"


def _rows(piece: int) -> str:
    return f"{piece:06d}.parquet"


def _record(piece: int) -> str:
    return f"{piece:06d}.json"
