"""Read Parquet files of anybody's, in bounded memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from preimage.data.parquet_files import DataFile, reading

_BUFFER = 4 << 20
"""Bytes of a column to read at once, so that a row group of any size fits in memory."""
_ROWS_A_BYTE = 1000
"""A few bytes may claim any number of rows; no more than this many are believed."""


class Footer(NamedTuple):
    """What the end of a file says."""

    groups: np.ndarray
    """Rows of each row group, (g,) int64."""
    schema: pa.Schema
    nulls: dict[str, int]
    """Null values of a leaf column; only of those that every row group counts."""
    bounds: dict[str, tuple[Any, Any]]
    """The lowest and the highest value of a leaf column; only where every row group knows them."""

    @property
    def rows(self) -> int:
        return int(self.groups.sum())


@dataclass(frozen=True)
class ParquetReader:
    """All methods raise DataError, naming the file, if it is damaged or cannot be reached."""

    filesystem: fs.FileSystem
    uri: str

    def where(self, file: DataFile) -> str:
        """A file in a message."""
        return f"{self.uri}: {file.name}"

    @contextmanager
    def opened(self, file: DataFile) -> Iterator[pq.ParquetFile]:
        """The file; what fails in the block is an error of the file's."""
        with (
            reading(self.where(file)),
            self.filesystem.open_input_file(file.path) as stream,
            pq.ParquetFile(stream, buffer_size=_BUFFER, page_checksum_verification=True) as parquet,
        ):
            yield parquet

    def footer(self, file: DataFile, *leaves: str | None) -> Footer:
        """leaves: columns to take statistics of, such as `image.bytes`."""
        with self.opened(file) as parquet:
            found = parquet.metadata
            groups = [found.row_group(each) for each in range(found.num_row_groups)]
            rows = np.array([each.num_rows for each in groups], np.int64)
            if found.num_rows != rows.sum() or rows.min(initial=0) < 0:
                raise ValueError("its row groups do not add up")
            if found.num_rows > _ROWS_A_BYTE * file.size:
                raise ValueError(f"it claims {found.num_rows:,} rows in {file.size:,} bytes")
            footer = Footer(rows, parquet.schema_arrow, {}, {})
            for leaf in range(len(parquet.schema)):
                path = str(parquet.schema.column(leaf).path)
                if path in leaves:
                    statistics = [each.column(leaf).statistics for each in groups if each.num_rows]
                    _summarize(path, statistics, footer)
            return footer

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


def _summarize(path: str, statistics: list[Any], footer: Footer) -> None:
    if statistics and all(each is not None and each.has_null_count for each in statistics):
        footer.nulls[path] = sum(each.null_count for each in statistics)
    known = [each for each in statistics if each is not None and each.has_min_max]
    if known and len(known) == len(statistics):
        footer.bounds[path] = min(each.min for each in known), max(each.max for each in known)
