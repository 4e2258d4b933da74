"""Images that a table names: a CSV, JSON lines or Parquet file with a column of file names."""

from functools import cached_property
from hashlib import sha256

import numpy as np
import pyarrow as pa

from preimage.data.config import DataConfig, SourceKind
from preimage.data.sources import columns
from preimage.data.sources.base import Contents, LeftOut, Row, Signature
from preimage.data.sources.labels import Labels, class_names, count_labels, labels_of
from preimage.data.sources.named_files import ABSENT, NamedFiles
from preimage.data.sources.read_errors import reaching
from preimage.data.sources.splits import choose_split, split_of
from preimage.data.sources.table_file import file_names, find_name_column, read_table
from preimage.errors import DataError
from preimage.storage.folder import Folder, digest

NAMED = 20
"""Files in a message."""


class TableSource:
    """The rows of one split, in the table's order.

    A column called `split`, if there is one, tells the split of each row. Class names cover all rows, so that
    a label means the same in each split. Every other scalar column is the user's own.
    """

    def __init__(self, config: DataConfig) -> None:
        """Reads the table. Raises DataError if it is damaged, is empty or names an image twice, or where a
        column or the split is unclear."""
        with reaching(config.path or ""):
            file = Folder.at(config.path or "")
        self._where = where = file.uri
        self._files, self._may_skip = NamedFiles(file.parent), config.on_error == "skip"
        table = read_table(file, config.image_column)
        image = find_name_column(table, config.image_column, where)
        label = columns.find_label_column(table.schema, config.label_column, image, where)
        split = next((name for name in _split_columns(table.schema) if name not in (image, label)), None)
        names = file_names(table.column(image), where)
        _require_once(names, where)
        self._labels_of = _labels_of(table, label, where)
        self._notes = columns.label_notes(table.schema, label)
        self.columns, self._left_out = columns.further_columns(table.schema, {image, label, split})
        rows, self._splits = _rows(table, split, config.split, file)
        table = table.take(rows).combine_chunks()
        self._names = names.take(rows).combine_chunks()
        self._own = {name: columns.plain(table.column(name)) for name in self.columns.names}
        self._labels = np.full(len(table), -1)
        if self._labels_of:
            self._labels = self._labels_of.encode(table.column(self._labels_of.column), where)
        if without := len(names) - sum(self._splits.values()) if self._splits else 0:
            self._left_out = (*self._left_out, LeftOut("rows without a split", without))

    @property
    def classes(self) -> list[str]:
        return self._labels_of.classes if self._labels_of else []

    @property
    def contents(self) -> Contents:
        missing = f"{len(self._absent):,} of {len(self):,} files are missing: they are skipped"
        notes = (*self._notes, *([missing] if self._may_skip and len(self._absent) else ()))
        return Contents(self._splits, count_labels(self._labels, self.classes), self._left_out, notes)

    @property
    def signature(self) -> Signature:
        """Raises DataError, naming the first few, if files are missing and are not to be skipped."""
        return self._signature

    @cached_property
    def _signature(self) -> Signature:
        sizes = np.ascontiguousarray(self._stats[:, 0])
        if len(self._absent) and not self._may_skip:
            names = [self._names[index].as_py() for index in self._absent[:NAMED].tolist()]
            raise DataError(
                f"{len(self._absent):,} of {len(self):,} files that {self._where} names are missing:\n"
                f"{_listed(names, len(self._absent))}\n"
                "Names are relative to the table's folder: move the table, correct its names, or skip them "
                "with data.on_error=skip."
            )
        listing = sha256(repr([self.classes, self.columns.names]).encode(errors="surrogatepass"))
        for values in (self._names, *self._own.values()):
            listing.update("\0".join(map(str, values.to_pylist())).encode(errors="surrogatepass"))
        for array in (sizes, self._labels):
            listing.update(array.tobytes())
        found = listing.hexdigest()
        return Signature(found, digest(found.encode() + self._stats.tobytes()))

    def __len__(self) -> int:
        return len(self._names)

    def row(self, index: int) -> Row:
        own = {name: values[index].as_py() for name, values in self._own.items()}
        return Row(self._names[index].as_py(), int(self._labels[index]), own)

    def load(self, index: int) -> bytes:
        return self._files.read(self._names[index].as_py())

    def state(self, indices: np.ndarray) -> str:
        return digest(self._stats[indices].tobytes())

    @cached_property
    def _absent(self) -> np.ndarray:
        """The rows whose file is missing."""
        return np.flatnonzero(self._stats[:, 0] == ABSENT)

    @cached_property
    def _stats(self) -> np.ndarray:
        return self._files.stats(self._names.to_pylist())


def _labels_of(table: pa.Table, label: str | None, where: str) -> Labels | None:
    if label is None:
        return None
    return labels_of(label, class_names(table.schema, label, where), [table.column(label)], where)


def _split_columns(schema: pa.Schema) -> list[str]:
    return [each.name for each in schema if each.name.lower() == "split" and columns.plain_type(each.type)]


def _rows(table: pa.Table, column: str | None, split: str, file: Folder) -> tuple[np.ndarray, dict[str, int]]:
    """Which rows a split has, (n,) int64, and how many each of the splits has, if the table names any.

    Raises DataError if there is no such split or none can be told, and names the choices.
    """
    where = file.uri
    if column is None:
        known = split_of(file.path.rpartition("/")[2].partition(".")[0]) or "train"
        choose_split([known], split, f"{where}, which has no column called split,")
        return np.arange(len(table)), {}
    values = columns.plain(table.column(column))
    counts = {str(each["values"]): each["counts"] for each in values.drop_null().value_counts().to_pylist()}
    wanted = choose_split(sorted(counts), split, where)
    chosen = np.array([each is not None and str(each) == wanted for each in values.to_pylist()])
    return np.flatnonzero(chosen), counts


def _require_once(names: pa.ChunkedArray, where: str) -> None:
    """Raise DataError if two rows name one image."""
    if len(names.unique()) < len(names):
        twice = [each["values"] for each in names.value_counts().to_pylist() if each["counts"] > 1]
        raise DataError(
            f"{where} names {len(twice):,} images more than once:\n{_listed(sorted(twice), len(twice))}\n"
            "Keep one row of each."
        )


def _listed(names: list[str], count: int) -> str:
    """The first of `count` names."""
    more = f"\n  and {count - NAMED:,} more" if count > NAMED else ""
    return "\n".join(f"  {name}" for name in names[:NAMED]) + more


TABLE = SourceKind(
    "a CSV, JSON lines or Parquet file with a column of your images' file names, labels and more",
    TableSource,
    path="pattern",
    splits=None,
    columns=True,
)
