"""The Parquet parts of a latent store: encoding, streaming, digests and the ids' uniqueness."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preimage.errors import StoreError
from preimage.latents.manifest import AGAIN, PartRecord
from preimage.latents.schema import COLUMNS, About, Codes, arrow_schema, from_table, to_table
from preimage.storage import Folder

ROW_GROUP = 65536
CHUNK = 1 << 22
OPTIONS: dict[str, Any] = {
    # LZ4 writes and reads float codes as fast as no compression does; zstd with byte_stream_split makes the
    # file 17% smaller and halves the speed of writing.
    "compression": "lz4",
    "use_dictionary": False,
    "row_group_size": ROW_GROUP,
    "write_page_checksum": True,
    "write_statistics": [name for name in COLUMNS if name != "z"],
}


def encode(codes: Codes, about: About) -> memoryview:
    """A part's bytes. Raises StoreError for codes that cannot be stored."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        to_table(codes, about),
        sink,
        **OPTIONS,
    )
    return memoryview(sink.getvalue())


def batches(
    folder: Folder, name: str, about: About, columns: Sequence[str] | None, rows: int
) -> Iterator[Codes]:
    """A part's rows in order.

    Raises StoreError that names a part which cannot be read or belongs to another store.
    """
    try:
        with folder.filesystem.open_input_file(f"{folder.path}/{name}") as file:
            part = pq.ParquetFile(file, page_checksum_verification=True)
            if not part.schema_arrow.equals(arrow_schema(about), check_metadata=True):
                raise StoreError(f"{folder.uri}/{name} has another schema or belongs to another store")
            for batch in part.iter_batches(rows, columns=None if columns is None else list(columns)):
                yield from_table(pa.Table.from_batches([batch]))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable(folder, name, error) from error


def file_digest(folder: Folder, name: str) -> str:
    """The SHA-256 of a file of any size. Raises StoreError where it cannot be read."""
    found = hashlib.sha256()
    try:
        with folder.filesystem.open_input_stream(f"{folder.path}/{name}", compression=None) as stream:
            while chunk := stream.read(CHUNK):
                found.update(chunk)
    except OSError as error:
        raise unreadable(folder, name, error) from error
    return found.hexdigest()


def rows_digest(found: Iterable[Codes]) -> str:
    """The SHA-256 of the ids and losses of rows in order, however they are batched."""
    ids, losses = hashlib.sha256(), hashlib.sha256()
    for codes in found:
        ids.update(codes.image_id.detach().cpu().numpy().tobytes())
        losses.update(codes.loss.detach().cpu().numpy().tobytes())
    return hashlib.sha256(ids.digest() + losses.digest()).hexdigest()


class Ids:
    """The image ids of a whole store, 8 bytes each, to find one that comes twice."""

    def __init__(self, count: int) -> None:
        self._ids = np.empty(count, np.int64)
        self._count = 0

    def add(self, ids: np.ndarray) -> None:
        """Ids beyond the expected count are dropped: the count has to be checked too."""
        taken = ids[: len(self._ids) - self._count]
        self._ids[self._count : self._count + len(taken)] = taken
        self._count += len(taken)

    def repeated(self) -> list[int]:
        """The first few ids that come more than once."""
        ids = self._ids[: self._count]
        ids.sort()
        again = ids[1:][ids[1:] == ids[:-1]]
        return sorted(set(again[:100].tolist()))[:5]


def check_ids(folder: Folder, about: About, records: Iterable[PartRecord], count: int) -> None:
    """Read every part's ids and losses.

    Raises StoreError for an image in two rows, and for a part that is not the one its record describes.
    """
    ids = Ids(count)
    for record in records:
        found = list(batches(folder, record.file, about, ("image_id", "loss"), ROW_GROUP))
        if rows_digest(found) != record.rows_sha256:
            raise StoreError(
                f"{folder.uri}/{record.file} is not the part of its record; delete it, then {AGAIN}"
            )
        for codes in found:
            ids.add(codes.image_id.numpy())
    if repeated := ids.repeated():
        raise StoreError(
            f"images {repeated} are in {folder.uri} more than once; no image may be in two parts"
        )


def unreadable(folder: Folder, name: str, error: Exception) -> StoreError:
    return StoreError(f"{folder.uri}/{name} cannot be read ({error}); it was altered, cut short or removed")
