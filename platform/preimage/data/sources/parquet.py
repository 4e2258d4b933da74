"""Images in Parquet files, as Hugging Face keeps them: read in order, and never listed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from preimage.data.config import DataConfig, SourceKind
from preimage.data.sources import columns
from preimage.data.sources.base import Contents, Row, Sample, Signature
from preimage.data.sources.data_files import DataFile, list_files
from preimage.data.sources.file_state import signed
from preimage.data.sources.labels import Labels, class_names, labels_of
from preimage.data.sources.parquet_files import SUFFIX, files_of_split, missing_shards
from preimage.data.sources.parquet_reader import Footer, ParquetReader
from preimage.data.sources.read_errors import reading
from preimage.errors import DataError

PIECE = 4096
"""Rows of a piece, unless a single row group has more."""
COUNTED = 5_000_000
"""Up to this many labels are read to count the classes."""
_BATCH = 32
"""Images in memory."""
_THREADS = 16


class _Piece(NamedTuple):
    file: DataFile
    groups: range
    first: int
    """The file's row that it begins with."""
    rows: int


class ParquetSource:
    """The images of one split, in the order of the files' names and of their rows.

    A column of struct {bytes, path} or binary holds encoded images. The labels are the ClassLabel of the
    schema's metadata, or a column called `label`. Every other scalar column is the user's own.
    """

    def __init__(self, config: DataConfig) -> None:
        """Reads the footers only. Raises DataError for files that are missing, damaged or of different
        columns, and where the split or a column is unclear."""
        self._path = path = config.path or ""
        root, every, left_out = list_files(path, SUFFIX)
        self._files, self._splits = files_of_split(every, config.split, path)
        self._reader = reader = ParquetReader(root)
        self._where = where = reader.where(self._files[0])
        self._schema = schema = reader.footer(self._files[0]).schema
        self._image = columns.find_image_column(schema, config.image_column, where)
        self._label = columns.find_label_column(schema, config.label_column, self._image, where)
        self.columns, others = columns.further_columns(schema, {self._image, self._label})
        self._left_out = (*left_out, *others, *missing_shards(self._files))
        with ThreadPoolExecutor(_THREADS) as pool:
            self._pieces = [piece for found in pool.map(self._pieces_of, self._files) for piece in found]
        self.pieces: list[int] = [each.rows for each in self._pieces]
        if not self.pieces:
            raise DataError(f"{path} holds no rows")

    @property
    def classes(self) -> list[str]:
        return self._labels.classes if self._labels else []

    @property
    def contents(self) -> Contents:
        """Raises DataError for labels without a class."""
        with ThreadPoolExecutor(_THREADS) as pool:
            splits = {name: sum(pool.map(self._reader.rows, files)) for name, files in self._splits.items()}
        notes = columns.label_notes(self._schema, self._label)
        return Contents(splits if len(splits) > 1 else {}, self._class_counts, self._left_out, notes)

    @property
    def signature(self) -> Signature:
        """Raises DataError if there are paths in place of images."""
        self._require_images()
        files = ((each.name, each.size, each.state) for each in self._files)
        return signed(files, *map(repr, (self._image, self._label, self.classes, self.pieces)))

    def __len__(self) -> int:
        return sum(self.pieces)

    def read(self, piece: int) -> Iterator[Sample]:
        file, groups, row, rows = self._pieces[piece]
        end = row + rows
        for batch in self._reader.batches(file, [*self._leaves, *self._other], _BATCH, groups):
            yield from self._samples(batch, file, row)
            row += len(batch)
        if row != end:
            raise DataError(
                f"{self._reader.where(file)} does not hold the rows that it promises; copy it again"
            )

    def piece_state(self, piece: int) -> str:
        return self._pieces[piece].file.state

    @cached_property
    def _leaves(self) -> list[str]:
        """The image column as it lies in the files, the images first."""
        kind = self._schema.field(self._image).type
        if not pa.types.is_struct(kind):
            return [self._image]
        fields = {each.name for each in kind}
        return [f"{self._image}.{name}" for name in ("bytes", "path") if name in fields]

    @property
    def _other(self) -> list[str]:
        return [*([self._label] if self._label else []), *self.columns.names]

    @cached_property
    def _names(self) -> list[str] | None:
        return class_names(self._schema, self._label, self._where)

    @cached_property
    def _labels(self) -> Labels | None:
        """Without class names from all splits, so that a label means the same in each."""
        if self._label is None:
            return None
        every = chain.from_iterable(self._splits.values())
        parts = (part for file in every for part in self._reader.column(file, str(self._label)))
        return labels_of(self._label, self._names, parts, self._path)

    def _pieces_of(self, file: DataFile) -> list[_Piece]:
        """Whole row groups, together about PIECE rows. Raises DataError for what a footer shows is wrong."""
        footer = self._reader.footer(file)
        self._check(footer, self._reader.where(file))
        pieces, start, first, end = [], 0, 0, 0
        for group, rows in enumerate(footer.groups):
            if end > first and end - first + rows > PIECE:
                pieces.append(_Piece(file, range(start, group), first, end - first))
                start, first = group, end
            end += rows
        return [*pieces, _Piece(file, range(start, len(footer.groups)), first, end - first)] if end else []

    def _check(self, footer: Footer, where: str) -> None:
        if not footer.schema.equals(self._schema):
            raise DataError(
                f"{where} has other columns than {self._files[0].name}: {columns.described(footer.schema)}; "
                "set data.path to files of one kind"
            )
        if class_names(footer.schema, self._label, where) != self._names:
            raise DataError(f"{where} has other class names than {self._files[0].name}; write both alike")

    def _require_images(self) -> None:
        """Raise DataError if the first rows hold paths instead of images."""
        for batch in self._reader.batches(self._pieces[0].file, self._leaves, _BATCH, self._pieces[0].groups):
            with reading(self._where):
                contents, paths = _images(batch.column(self._image))
            if any(paths) and not any(contents):
                raise DataError(
                    f"{self._where}: column {self._image} holds paths of images, but no image: embed the "
                    "images in the file, or use source=table with a column of their file names"
                )
            return

    @cached_property
    def _class_counts(self) -> tuple[int, ...] | None:
        """From the label column alone; None if it is long."""
        if not self._labels or len(self) > COUNTED:
            return None
        counts = np.zeros(len(self.classes), np.int64)
        for file in self._files:
            for part in self._reader.column(file, self._labels.column):
                labels = self._labels.encode(part, self._reader.where(file))
                counts += np.bincount(labels[labels >= 0], minlength=len(counts))
        return tuple(counts.tolist())

    def _samples(self, batch: pa.RecordBatch, file: DataFile, first: int) -> Iterator[Sample]:
        where = self._reader.where(file)
        with reading(where):
            contents, paths = _images(batch.column(self._image))
            own = {name: columns.plain(batch.column(name)).to_pylist() for name in self.columns.names}
            labels = [-1] * len(batch)
            if self._labels:
                labels = self._labels.encode(batch.column(self._labels.column), where).tolist()
        for i, content in enumerate(contents):
            name = paths[i] or f"{file.name}#{first + i}"
            row = Row(name, labels[i], {name: values[i] for name, values in own.items()})
            missing = f"the file holds only its path, {paths[i]}" if paths[i] else "the row holds no image"
            yield Sample(row, content, missing if content is None else "")


def _images(column: pa.Array) -> tuple[list[bytes | None], list[str | None]]:
    """The encoded images, and their paths where the column has them."""
    if not pa.types.is_struct(column.type):
        return column.to_pylist(), [None] * len(column)
    parts = dict(zip((each.name for each in column.type), column.flatten(), strict=True))
    contents = parts["bytes"].to_pylist()
    return contents, parts["path"].to_pylist() if "path" in parts else [None] * len(column)


PARQUET = SourceKind(
    "Parquet files with a column of encoded images, as Hugging Face has them: a file or a folder",
    ParquetSource,
    path="pattern",
    splits=None,
    columns=True,
)
