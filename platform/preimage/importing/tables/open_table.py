"""Open a file of vectors, by what it is."""

from pathlib import Path

from preimage.errors import StoreError
from preimage.importing.tables.array_tables import NpyTable, SafetensorsTable
from preimage.importing.tables.parquet_table import ParquetTable
from preimage.importing.tables.table import Columns, Table


def open_table(path: Path, columns: Columns) -> Table:
    """Raises StoreError for a file that is missing or of another kind, or that has no such columns."""
    if not path.is_file():
        what = "is a folder: give one file" if path.is_dir() else "does not exist on this machine"
        raise StoreError(f"{path} {what}")
    with path.open("rb") as file:
        begin = file.read(8)
    if begin.startswith(b"PAR1"):
        return ParquetTable.open(path, columns)
    if begin.startswith(b"\x93NUMPY"):
        return NpyTable.open(path, columns)
    if path.suffix == ".safetensors":
        return SafetensorsTable.open(path, columns)
    raise StoreError(
        f"{path} is neither Parquet, .npy nor .safetensors: write the vectors as one of these, with pandas "
        "or numpy.save"
    )
