"""A table in a file, and which of its columns names image files."""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from pyarrow import fs

from preimage.data.sources.columns import described, is_string, plain_type, require_column, require_names
from preimage.data.sources.listing import SUFFIXES
from preimage.data.sources.read_errors import reaching, reading
from preimage.errors import DataError
from preimage.storage.folder import Folder

NAMES = (
    "file", "filename", "file_name", "filepath", "file_path", "image", "image_file", "image_id", "image_name",
    "image_path", "img", "img_path", "path",
)  # fmt: skip
"""What a column of file names is usually called, in lower case."""
_KINDS = {".csv": ",", ".tsv": "\t", ".jsonl": "", ".ndjson": "", ".json": "", ".parquet": ""}
_NOT = {",": "[;\t]", "\t": "[;,]"}
"""What separates the columns of a file that is wrongly called .csv or .tsv."""
_IMAGE = "(?i)(" + "|".join(re.escape(each) for each in sorted(SUFFIXES)) + ")$"
pc: Any = pyarrow.compute  # whose functions are made when it is imported: no type checker knows them


def read_table(file: Folder, image_column: str | None) -> pa.Table:
    """A .csv, .tsv, .jsonl, .ndjson, .json (of one object a line) or .parquet file.

    image_column: read as text in a CSV, as are the columns that may hold file names: 000123 is no number.
    Raises DataError if there is no such file, or it is damaged or empty.
    """
    where, suffix = file.uri, "." + file.path.lower().rpartition(".")[2]
    with reaching(where):
        info = file.filesystem.get_file_info(file.path)
    if info.type == fs.FileType.NotFound:
        raise DataError(f"data.path={where} does not exist; give a table of file names")
    if not info.is_file or suffix not in _KINDS:
        raise DataError(f"{where} is not a table: give a file that ends in {', '.join(_KINDS)}")
    with reading(where):
        if delimiter := _KINDS[suffix]:
            table = _read_csv(file, delimiter, image_column, where)
        else:
            with file.filesystem.open_input_file(file.path) as stream:
                table = _read_parquet(stream) if suffix == ".parquet" else pyarrow.json.read_json(stream)
        table.validate(full=True)  # also that text is UTF-8
    require_names(table.schema, where)
    if not len(table):
        raise DataError(f"{where} has no rows")
    return table


def find_name_column(table: pa.Table, chosen: str | None, where: str) -> str:
    """The chosen column of file names; or the only one that is called like one, or whose values all end like
    images, or both. Raises DataError if there is none, or where it is unclear."""
    if chosen is not None:
        require_column(table.schema, chosen, "image_column", where)
        if plain_type(table.schema.field(chosen).type) != pa.string():
            raise DataError(f"{where}: column {chosen} holds no file names: {described(table.schema)}")
        return chosen
    text = [field.name for field in table.schema if plain_type(field.type) == pa.string()]
    called = [name for name in text if name.lower() in NAMES]
    ending = [name for name in text if _all_images(table.column(name))]
    found = [name for name in called if name in ending] or called or ending
    if len(found) != 1:
        several = f"several columns of file names, {', '.join(found)}" if found else "no column of file names"
        raise DataError(f"{where} has {several}: set data.image_column to one of {described(table.schema)}")
    return found[0]


def file_names(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Names with forward slashes and without ./ before them, of large strings. Raises DataError if a row has
    none."""
    text = column.cast(pa.large_string())
    empty = pc.sum(pc.equal(pc.fill_null(pc.utf8_trim_whitespace(text), ""), "")).as_py()
    if empty:
        raise DataError(f"{where}: {empty:,} rows name no file; complete or remove them")
    return pc.replace_substring_regex(pc.replace_substring(text, "\\", "/"), r"^(\./+)+", "")


def _read_parquet(stream: Any) -> pa.Table:
    with pq.ParquetFile(stream, page_checksum_verification=True) as parquet:
        return parquet.read()


def _read_csv(file: Folder, delimiter: str, image_column: str | None, where: str) -> pa.Table:
    parsing = pyarrow.csv.ParseOptions(delimiter=delimiter)
    with (  # a stream of its own, since it is read ahead
        file.filesystem.open_input_file(file.path) as stream,
        pyarrow.csv.open_csv(stream, parse_options=parsing) as reader,
    ):
        columns = reader.schema.names
    if nameless := [name for name in columns if re.search(_IMAGE, name)]:
        raise DataError(f"{where}: its first line must name the columns, but holds {nameless[0]}; add a line")
    if len(columns) == 1 and (found := re.search(_NOT[delimiter], columns[0])):
        raise DataError(
            f"{where}: its columns are separated by {found[0]!r}, not by {delimiter!r}: save it with "
            "commas as .csv, or with tabs as .tsv"
        )
    as_text = {name: pa.string() for name in columns if name.lower() in NAMES or name == image_column}
    converting = pyarrow.csv.ConvertOptions(column_types=as_text)
    with file.filesystem.open_input_file(file.path) as stream:
        table = pyarrow.csv.read_csv(stream, parse_options=parsing, convert_options=converting)
    if foreign := [field.name for field in table.schema if pa.types.is_binary(field.type)]:
        raise DataError(f"{where}: column {foreign[0]} is not UTF-8; save the table as UTF-8")
    return table


def _all_images(column: pa.ChunkedArray) -> bool:
    text = column.cast(pa.large_string())
    return is_string(text.type) and bool(pc.all(pc.match_substring_regex(text, _IMAGE)).as_py())
