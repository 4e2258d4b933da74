"""Read Parquet files of anybody's, in bounded memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from preimage.data.sources.columns import require_names
from preimage.data.sources.data_files import DataFile
from preimage.data.sources.read_errors import reading
from preimage.storage.folder import Folder

_BUFFER = 4 << 20
"""Bytes of a column to read at once, so that a row group of any size fits in memory."""
_ROWS_A_BYTE = 100
"""A few bytes may claim any number of rows; no more than this many are believed."""


class Footer(NamedTuple):
    """What the end of a file says."""

    groups: list[int]
    """Rows of each row group."""
    schema: pa.Schema

    @property
    def rows(self) -> int:
        return sum(self.groups)


@dataclass(frozen=True)
class ParquetReader:
    """All methods raise DataError, naming the file, if it is damaged or cannot be reached."""

    root: Folder

    def where(self, file: DataFile) -> str:
        """A file in a message."""
        return f"{self.root / file.name}"

    @contextmanager
    def opened(self, file: DataFile) -> Iterator[pq.ParquetFile]:
        """The file; what fails in the block is an error of the file's."""
        with (
            reading(self.where(file)),
            self.root.filesystem.open_input_file(f"{self.root.path}/{file.name}") as stream,
            pq.ParquetFile(
                stream, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
            ) as parquet,
        ):
            yield parquet

    def footer(self, file: DataFile) -> Footer:
        with self.opened(file) as parquet:
            found = parquet.metadata
            # Never a row group's `column`: pyarrow ends the process where its metadata are damaged.
            rows = [found.row_group(each).num_rows for each in range(found.num_row_groups)]
            if found.num_rows != sum(rows) or min(rows, default=0) < 0:
                raise ValueError("its row groups do not add up")
            if found.num_rows > _ROWS_A_BYTE * file.size:
                raise ValueError(f"it claims {found.num_rows:,} rows in {file.size:,} bytes")
            require_names(parquet.schema_arrow, self.where(file))
            return Footer(rows, parquet.schema_arrow)

    def rows(self, file: DataFile) -> int:
        with self.opened(file) as parquet:
            return parquet.metadata.num_rows

    def column(self, file: DataFile, name: str) -> Iterator[pa.Array]:
        """One column, piece by piece; nothing if the file has no such column."""
        with self.opened(file) as parquet:
            if name in parquet.schema_arrow.names:
                for batch in parquet.iter_batches(1 << 16, columns=[name], use_threads=False):
                    yield batch.column(name)

    def batches(
        self, file: DataFile, columns: list[str], rows: int, groups: range
    ) -> Iterator[pa.RecordBatch]:
        """Row groups, by `rows` rows."""
        with self.opened(file) as parquet:
            yield from parquet.iter_batches(rows, row_groups=list(groups), columns=columns, use_threads=False)
