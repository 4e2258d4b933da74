"""A Parquet file as a table of vectors, read batch by batch."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preimage.errors import StoreError
from preimage.importing.tables.arrow_vectors import holds_vectors, numbers_of, shape_of, vectors
from preimage.importing.tables.table import Columns, Rows, Shape, chosen, only


@dataclass(frozen=True)
class ParquetTable:
    """See Table."""

    path: Path
    columns: Columns
    count: int
    shape: Shape
    numbers: str

    @classmethod
    def open(cls, path: Path, columns: Columns) -> "ParquetTable":
        """Raises StoreError if it cannot be read, or has no such columns or no rows."""
        with _opened(path) as file:
            schema, count = file.schema_arrow, file.metadata.num_rows
            vectored = [field.name for field in schema if holds_vectors(field.type)]
            z = only(vectored, str(path)) if columns.z is None else chosen(columns.z, schema.names, str(path))
            for name in filter(None, (columns.id, columns.label)):
                chosen(name, schema.names, str(path))
            kind = schema.field(z).type
            if z not in vectored:
                there = f": {', '.join(vectored)} does" if vectored else ""
                raise StoreError(f"{z} of {path} holds {kind}, no vectors of numbers{there}")
            if not count:
                raise StoreError(f"{path} has no rows")
            first = next(file.iter_batches(1, columns=[z])).column(0)
            return cls(path, replace(columns, z=z), count, shape_of(first, z), numbers_of(kind))

    def rows(self, parts: Collection[str], at_once: int) -> Iterator[Rows]:
        """As Table has it. A row group's batches may be shorter: they are joined."""
        names = {part: str(getattr(self.columns, part)) for part in parts}
        held: list[Rows] = []
        start = 0
        with _opened(self.path) as file:
            for batch in file.iter_batches(at_once, columns=list(dict.fromkeys(names.values()))):
                while len(batch):
                    room = at_once - sum(each.count for each in held)
                    some, batch = batch.slice(0, room), batch.slice(room)
                    held.append(self._read(some, names, start))
                    start += len(some)
                    if len(some) == room:
                        yield _joined(held)
                        held = []
        if held:
            yield _joined(held)

    def _read(self, batch: pa.RecordBatch, names: dict[str, str], start: int) -> Rows:
        found = {part: batch.column(name) for part, name in names.items()}
        array = found.pop("z", None)
        z = None if array is None else vectors(array, self.shape, start, names["z"])
        return Rows(start, len(batch), z, **found)


def _joined(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    z = [each.z for each in parts if each.z is not None]
    ids, labels = ([array for each in parts if (array := getattr(each, name))] for name in ("id", "label"))
    return Rows(
        parts[0].start,
        sum(each.count for each in parts),
        np.concatenate(z) if z else None,
        pa.concat_arrays(ids) if ids else None,
        pa.concat_arrays(labels) if labels else None,
    )


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
