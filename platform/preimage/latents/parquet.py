"""The Parquet parts of a latent store: encoding, streaming and digests."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preimage.errors import StoreError
from preimage.latents.image_ids import Span, all_rise, repeated
from preimage.latents.manifest import AGAIN, PartRecord
from preimage.latents.schema import COLUMNS, About, Codes, arrow_schema, from_table, to_table
from preimage.storage.address import command
from preimage.storage.folder import Folder

if TYPE_CHECKING:
    from torch import Tensor

ROW_GROUP = 65536
WINDOW = 1 << 18
"""Codes that a loader shuffles together."""
CHUNK = 1 << 22
PIECE = 1 << 20
"""Bytes of codes that are decoded at a time for whoever copies them at once."""
BUFFER = 1 << 16
"""Bytes that are read at a time: less than a page, so that a page is read into its own memory, and no row
group's bytes are in memory beside its rows. Nothing to a part from elsewhere, which comes whole."""
READERS = 3
"""Row groups decoded at a time on this machine for whoever copies them at once."""
FAR_READERS = 16
"""Row groups read at a time from elsewhere, where each waits for an answer; fewer if they are large."""
READ_AHEAD = 1 << 28
"""Bytes of row groups from elsewhere that are in memory at a time."""

Item = TypeVar("Item")
Value = TypeVar("Value")

OPTIONS: dict[str, Any] = {
    # LZ4 writes and reads float codes as fast as no compression; zstd with byte_stream_split makes the file
    # 17% smaller but halves the writing speed.
    "compression": "lz4",
    "use_dictionary": False,
    "row_group_size": ROW_GROUP,
    "write_page_checksum": True,
    "write_statistics": [name for name in COLUMNS if name != "z"],
}


def write(codes: Codes, about: About, folder: Folder, name: str) -> tuple[int, str]:
    """Write a part, and return its size in bytes and its SHA-256.

    Raises StoreError for codes that cannot be stored, StorageError if the folder cannot be written.
    """
    table = to_table(codes, about)
    with folder.writing(name) as stream, Overlapped(stream) as sink:
        pq.write_table(table, sink, **OPTIONS)
    return sink.size, sink.sha256.hexdigest()


class Overlapped(io.RawIOBase):
    """Hashes and writes to a stream in another thread while encoding continues."""

    BLOCK, AHEAD = 1 << 20, 4
    """Bytes per block, and how many blocks may wait."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self.size, self.sha256 = 0, hashlib.sha256()
        self._stream, self._thread = stream, ThreadPoolExecutor(1)
        self._held: list[bytes] = []
        self._waiting: deque[Future[None]] = deque()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Take some bytes. Raises what writing earlier ones raised."""
        self._held.append(bytes(data))  # Parquet may reuse the memory
        if sum(map(len, self._held)) >= self.BLOCK:
            self._hand_over()
        if len(self._waiting) > self.AHEAD:
            self._waiting.popleft().result()
        return len(data)

    def close(self) -> None:
        """Wait for pending writes. Raises what writing raised."""
        if self.closed:
            return
        super().close()
        with self._thread:  # leaves no thread behind if this raises
            self._hand_over()
            while self._waiting:
                self._waiting.popleft().result()

    def _hand_over(self) -> None:
        self._waiting.append(self._thread.submit(self._write, self._held))
        self._held = []

    def _write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.size += len(piece)
            self.sha256.update(piece)
            self._stream.write(piece)


def batches(
    folder: Folder, records: Sequence[PartRecord], about: About, columns: Sequence[str] | None, rows: int
) -> Iterator[Codes]:
    """The rows of parts in order, with row groups decoded ahead.

    Raises StoreError, naming the part, if one cannot be read or belongs to another store.
    """
    for _, table in _tables(folder, records, about, columns):
        for first in range(0, table.num_rows, rows):
            yield from_table(table.slice(first, rows), about.searched)


def _tables(
    folder: Folder, records: Sequence[PartRecord], about: About, columns: Sequence[str] | None
) -> Iterator[tuple[PartRecord, pa.Table]]:
    """Row groups in order, at least one of each part, decoded ahead."""
    groups = ((record, group) for record in records for group in range(_groups(record)))
    # several at a time are new memory for each of them, which takes longer than to decode it
    threads = 1 if folder.is_local else readers(folder, records, about, columns)
    return ahead(lambda at: (at[0], _read_group(folder, *at, about, columns)), groups, threads)


def readers(
    folder: Folder, records: Sequence[PartRecord], about: About, columns: Sequence[str] | None
) -> int:
    """Row groups to read at a time."""
    if folder.is_local:
        return READERS
    row = 4 * (len(about.columns) + (about.latent_dim if columns is None or "z" in columns else 0))
    rows = min(ROW_GROUP, max((each.rows for each in records), default=0))
    return max(READERS, min(FAR_READERS, READ_AHEAD // max(1, rows * row)))


def _groups(record: PartRecord) -> int:
    """Row groups in a part; at least 1, since a part without rows is opened too, for its schema."""
    return max(1, -(-record.rows // ROW_GROUP))


def _read_group(
    folder: Folder, record: PartRecord, group: int, about: About, columns: Sequence[str] | None
) -> pa.Table:
    """One row group; empty for a part without rows. Raises StoreError."""
    with _opened(folder, record, about) as part:
        expected = min(ROW_GROUP, record.rows - group * ROW_GROUP)
        groups = [group] if group < part.num_row_groups else []
        table = part.read_row_groups(groups, columns, use_threads=False)
        if len(table) != expected:
            raise StoreError(f"{folder / record.file} has {len(table)} rows, expected {expected}")
        return table


def pieces(
    folder: Folder, record: PartRecord, group: int, about: About, columns: Sequence[str], verify: bool
) -> Iterator[Codes]:
    """A row group, a few codes at a time, for whoever copies them at once: they are in the processor's cache
    then, and a row group of any size takes little memory. verify: the checksums of its pages. Raises
    StoreError."""
    rows = max(1, PIECE // (4 * about.latent_dim))
    with _opened(folder, record, about, verify) as part:
        for batch in part.iter_batches(rows, [group], columns, use_threads=False):
            yield from_table(pa.Table.from_batches([batch]))


def diverged_rows(folder: Folder, records: Sequence[PartRecord], about: About) -> Iterator[list[int]]:
    """How many images diverged in each row group of each part that has rows, from the files' footers alone.

    Raises StoreError, naming the part, if one cannot be read or belongs to another store.
    """
    threads = readers(folder, records, about, ("loss",))
    return ahead(lambda record: _null_losses(folder, record, about), records, threads)


def _null_losses(folder: Folder, record: PartRecord, about: About) -> list[int]:
    with _opened(folder, record, about) as part:
        if "loss" not in part.schema_arrow.names:
            return [0] * _groups(record)
        column = part.schema.names.index("loss")
        groups = map(part.metadata.row_group, range(part.num_row_groups if record.rows else 0))
        found = [group.column(column).statistics for group in groups]
        if any(each is None or each.null_count is None for each in found):
            raise StoreError(f"{folder / record.file} does not say how many of its images diverged")
        return [each.null_count for each in found]


@contextmanager
def _opened(
    folder: Folder, record: PartRecord, about: About, verify: bool = True
) -> Iterator[pq.ParquetFile]:
    """A part whose schema and row groups are as expected. Raises StoreError, also for errors in reading.

    verify: the checksums of the pages that are read.
    """
    name, far = record.file, not folder.is_local  # pre_buffer: neighbouring columns in one request
    try:
        with (
            folder.filesystem.open_input_file(f"{folder.path}/{name}") as file,
            pq.ParquetFile(
                file, pre_buffer=far, buffer_size=BUFFER, page_checksum_verification=verify
            ) as part,
        ):
            if not part.schema_arrow.equals(arrow_schema(about), check_metadata=True):
                raise StoreError(f"{folder / name} has another schema or belongs to another store")
            if part.metadata.num_rows != record.rows or part.num_row_groups > _groups(record):
                raise StoreError(
                    f"{folder / name} has {part.metadata.num_rows} rows, expected {record.rows} "
                    f"in groups of {ROW_GROUP}"
                )
            for group in range(part.num_row_groups):
                expected = min(ROW_GROUP, record.rows - group * ROW_GROUP)
                if part.metadata.row_group(group).num_rows != expected:
                    raise StoreError(f"{folder / name} is not in groups of {ROW_GROUP} rows")
            yield part
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable(folder, name, error) from error


def ahead(
    work: Callable[[Item], Value], items: Iterable[Item], threads: int, waiting: int = 0
) -> Iterator[Value]:
    """Apply `work` to each item, some at a time, and yield the results in order. Many at a time only once
    some were taken: who wants the first few items wants no more.

    waiting: how many may be done before they are taken; at least `threads`.
    """
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[Value]] = deque()
        taken = 0
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > min(max(threads, waiting), max(READERS, taken)):
                    yield begun.popleft().result()
                    taken += 1
            while begun:
                yield begun.popleft().result()
        finally:  # whoever stops early waits for none that has not begun
            for each in begun:
                each.cancel()


def file_digest(folder: Folder, name: str) -> str:
    """The SHA-256 of a file of any size. Raises StoreError if it cannot be read."""
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
    rows = _RowsDigest()
    for codes in found:
        rows.add(codes)
    return rows.hex


class _RowsDigest:
    """All NaNs count as the same one, which a null is read as."""

    def __init__(self) -> None:
        self._ids, self._losses = hashlib.sha256(), hashlib.sha256()

    def add(self, codes: Codes) -> None:
        self._ids.update(codes.image_id.detach().cpu().numpy().tobytes())
        loss = codes.loss.detach().cpu().numpy()
        self._losses.update(np.where(np.isnan(loss), np.float32(np.nan), loss).tobytes())

    @property
    def hex(self) -> str:
        return hashlib.sha256(self._ids.digest() + self._losses.digest()).hexdigest()


def checked(
    folder: Folder, about: About, records: Sequence[PartRecord], columns: Sequence[str]
) -> Iterator[Codes]:
    """The ids, losses and these columns of all rows, a row group at a time.

    Raises StoreError after the rows of a part that does not match its record.
    """
    losses = ("loss",) if about.searched else ()
    wanted = tuple(dict.fromkeys(("image_id", *losses, *columns)))
    for record, tables in groupby(_tables(folder, records, about, wanted), itemgetter(0)):
        rows = _RowsDigest()
        for _, table in tables:
            codes = from_table(table, about.searched)
            rows.add(codes)
            if len(codes):
                yield codes
        if rows.hex != record.rows_sha256:
            raise StoreError(f"{folder / record.file} does not match its record; delete it, then {AGAIN}")


def repeated_ids(
    folder: Folder, about: About, records: Sequence[PartRecord], spans: Sequence[Span | None]
) -> list[int]:
    """The first few images that are in parts more than once. Reads their ids only if their rows, of which
    these are the spans in order, do not follow the shuffle of the source."""
    if all_rise(spans):
        return []

    def ids() -> Iterator[Tensor]:
        return (codes.image_id for codes in batches(folder, records, about, ("image_id",), ROW_GROUP))

    return repeated(ids, sum(record.rows for record in records))


def unreadable(folder: Folder, name: str, error: Exception) -> StoreError:
    return StoreError(
        f"{folder / name} cannot be read ({error}); it was altered, truncated or removed. "
        f"{how_to_mend(folder)}"
    )


def how_to_mend(folder: Folder) -> str:
    verify = command("preimage", "store", "verify", folder)
    return f"`{verify}` lists all problems, and what to delete before running the job again"
