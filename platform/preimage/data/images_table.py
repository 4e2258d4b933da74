"""The one reader of images.parquet: a row for each image of a prepared dataset, in the order of image_id.

A row is `image_id` int64, `name` (the path in the source), `label` int32, and the user's own columns. The
file is streamed, so memory does not grow with it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from preimage.data.preparing.images_writer import IMAGES
from preimage.data.where import All, AnyOf, Comparison, Condition, Not, Value, columns_of, parse
from preimage.errors import DataError
from preimage.storage.folder import Folder

BATCH = 65_536
"""Rows read at a time."""
NAMED = 10
"""The most ids or columns that a message lists."""
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def read_rows(folder: Folder, ids: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of these images, in that order; ids may repeat.

    columns: those to read besides image_id; None reads all. Raises DataError for an image or a column that is
    not there, and for a damaged file.
    """
    wanted, order = np.unique(np.asarray(ids, np.int64), return_inverse=True)
    with _opened(folder) as parquet:
        schema = parquet.schema_arrow
        for each in columns or ():
            _require_column(each, schema)
        names = None if columns is None else list(dict.fromkeys(("image_id", *columns)))
        found = [_rows_of(wanted, group) for group in _groups(parquet, wanted, names)]
    table = pa.concat_tables(found) if found else schema.empty_table().select(names or schema.names)
    if missing := np.setdiff1d(wanted, table["image_id"].to_numpy()).tolist():
        raise DataError(f"{folder.uri} has no image {listed(missing)}: choose among its image_ids")
    return table.take(order)


def read_columns(folder: Folder, columns: Sequence[str]) -> pa.Table:
    """These columns of all images, in the order of image_id. Raises DataError for a damaged file."""
    with _opened(folder) as parquet:
        return parquet.read(list(columns))


def schema_of(folder: Folder) -> pa.Schema:
    """The columns that there are. Raises DataError for a damaged file."""
    with _opened(folder) as parquet:
        return parquet.schema_arrow


def select_ids(
    folder: Folder, where: str, limit: int | None = None, classes: Sequence[str] = ()
) -> np.ndarray:
    """The ids (n,) int64 of the images that fulfil a condition (`where`), ascending; at most `limit` of them.

    classes: their names by label, so that label may be compared with a name. Raises DataError for a condition
    that cannot be read, one that does not fit the columns, and one that no image fulfils.
    """
    try:
        condition = parse(where)
    except ValueError as error:
        raise DataError(f"where: {error}") from error
    found, count = [], 0
    with _opened(folder) as parquet:
        chosen = as_expression(condition, parquet.schema_arrow, classes)
        names = sorted({"image_id"} | columns_of(condition))
        for batch in parquet.iter_batches(BATCH, columns=names):
            ids = _filtered(batch, chosen, where)["image_id"].to_numpy()
            found.append(ids[: None if limit is None else limit - count])
            count += len(found[-1])
            if count == limit:
                break
    if not count:
        raise DataError(f"no image of {folder.uri} fulfils where: {where}")
    return np.concatenate(found)


def as_expression(condition: Condition, schema: pa.Schema, classes: Sequence[str] = ()) -> pc.Expression:
    """A condition as pyarrow evaluates it; a comparison with null is neither true nor false, as in SQL.

    Raises DataError for an unknown column, and for a value that cannot be compared with its column.
    """
    if isinstance(condition, Not):
        return ~as_expression(condition.part, schema, classes)
    if isinstance(condition, All | AnyOf):
        parts = (as_expression(each, schema, classes) for each in condition.parts)
        return reduce(and_ if isinstance(condition, All) else or_, parts)
    _require_column(condition.column, schema)
    field, compare = pc.field(condition.column), _SIGNS[condition.sign]
    values = (_scalar(each, condition, schema, classes) for each in condition.values)
    return reduce(or_, (compare(field, each) for each in values))


def _scalar(value: Value, condition: Comparison, schema: pa.Schema, classes: Sequence[str]) -> pa.Scalar:
    """A value as its column holds it, or as a number that compares with it."""
    column, kind = condition.column, schema.field(condition.column).type
    if column == "label" and isinstance(value, str):
        return pa.scalar(_label(value, condition, classes), kind)
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    try:
        if pa.types.is_integer(kind) and not isinstance(value, str):
            return pa.scalar(value)
        if pa.types.is_floating(kind) and not isinstance(value, str):
            return pa.scalar(float(value), kind)  # 0.1 as the column rounds it
        if isinstance(value, str) or (pa.types.is_boolean(kind) and value in (0, 1)):
            return pa.scalar(value).cast(kind)
    except (pa.ArrowException, OverflowError):
        pass
    raise DataError(
        f"the column {column} holds {kind}, which does not compare with {value!r}: write a text in 'single "
        "quotes', and a number without"
    )


def _label(name: str, condition: Comparison, classes: Sequence[str]) -> int:
    if condition.sign not in ("=", "!="):
        raise DataError(f"label {condition.sign} {name!r}: a class is compared with =, != or in")
    return class_number(name, classes)


def class_number(name: str, classes: Sequence[str]) -> int:
    """The label of a class. Raises DataError if no class has that name."""
    if name not in classes:
        there = f"its classes are {', '.join(classes)}" if classes else "it has none: choose by ids or where"
        raise DataError(f"the dataset has no class {name!r}; {there}")
    return list(classes).index(name)


def listed(items: Sequence[int | str]) -> str:
    """The first few of them."""
    return ", ".join(map(str, items[:NAMED])) + (", ..." if len(items) > NAMED else "")


def _require_column(name: str, schema: pa.Schema) -> None:
    if name not in schema.names:
        near = get_close_matches(name, schema.names, 1, 0.5)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise DataError(f"the images have no column {name!r}{meant}: they have {', '.join(schema.names)}")


@contextmanager
def _opened(folder: Folder) -> Iterator[pq.ParquetFile]:
    try:
        with (
            folder.filesystem.open_input_file(f"{folder.path}/{IMAGES}") as stream,
            pq.ParquetFile(stream, page_checksum_verification=True) as parquet,
        ):
            yield parquet
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{folder / IMAGES} cannot be read ({error}); delete it and prepare again (preimage data prepare)"
        ) from error


def _groups(parquet: pq.ParquetFile, wanted: np.ndarray, names: list[str] | None) -> Iterator[pa.Table]:
    """The row groups that may hold these ids."""
    place = parquet.schema_arrow.names.index("image_id")
    for group in range(parquet.num_row_groups):
        kept = parquet.metadata.row_group(group).column(place).statistics
        if not kept or not kept.has_min_max or np.any((kept.min <= wanted) & (wanted <= kept.max)):
            yield parquet.read_row_group(group, names)


def _filtered(batch: pa.RecordBatch, chosen: pc.Expression, where: str) -> pa.Table:
    try:
        return pa.Table.from_batches([batch]).filter(chosen)
    except pa.ArrowException as error:
        raise DataError(f"where: {where} does not fit the columns ({error})") from error


def _rows_of(wanted: np.ndarray, group: pa.Table) -> pa.Table:
    return group.filter(pa.array(np.isin(group["image_id"].to_numpy(), wanted)))
