"""Parquet files and tables of anybody's: the rows they hold, or one message."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from data.parquets import hf_table, metadata, rows, write
from preimage.data.config import DataConfig
from preimage.data.sources.parquet import ParquetSource
from preimage.data.sources.table import TableSource
from preimage.errors import DataError
from security.mutations import FUZZ, NAMES, damaged, documented, memory_within

IMAGES = [f"{number:04}".encode() * 40 for number in range(60)]
LABELS = [number % 3 for number in range(60)]


def parquet(path):
    source = ParquetSource(DataConfig(source="parquet", path=str(path)))
    assert source.contents is not None
    assert source.signature
    return [(each.content, each.row.label) for each in rows(source)]


@pytest.mark.parametrize("options", [{}, {"compression": "zstd", "use_dictionary": False}])
def test_any_bytes_of_a_parquet_file(tmp_path, options):
    """A page is protected by its checksum; a footer by nothing, so that it may name other classes."""
    path = tmp_path / "a.parquet"
    table = hf_table(IMAGES, LABELS, ("a", "b", "c"), age=list(range(60)))
    write(path, table, 25, write_page_checksum=True, **options)
    whole = path.read_bytes()

    @FUZZ
    @given(damaged(whole))
    def each(data):
        path.write_bytes(data)
        found = documented(lambda: parquet(path))
        assert found is None or len(found) <= 60
        if found is not None and data[-1000:] == whole[-1000:]:
            assert {content for content, _ in found} <= {*IMAGES, None}

    each()


def test_metadata_of_anybodys(tmp_path):
    table = hf_table([b"x"], [0])
    for features in (
        {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": 3}},
        {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": [1, None]}},
        {"image": 7, "label": ["_type"]},
        {"image": {"_type": ["Image"]}, "nowhere": {"_type": "Image"}},
    ):
        path = write(tmp_path / "a.parquet", table.replace_schema_metadata(metadata(**features)))
        found = documented(lambda path=path: parquet(path))
        assert found in (None, [(b"x", 0)])


def test_a_few_bytes_that_stand_for_millions_of_rows_are_refused(tmp_path):
    table = pa.table({"image": pa.nulls(10_000_000, pa.binary())})
    path = write(tmp_path / "a.parquet", table, len(table))
    del table
    with memory_within(20), pytest.raises(DataError, match="claims 10,000,000 rows in"):
        parquet(path)


def test_a_row_group_of_any_size_is_read_in_little_memory(tmp_path):
    """96 MiB of images in one row group, a page of which is one MiB."""
    table = pa.table(
        {"image": pa.array([bytes([number]) * 48_000 for number in range(256)] * 8, pa.binary())}
    )
    path = write(
        tmp_path / "a.parquet", table, 2048, compression="none", use_dictionary=False, write_batch_size=16
    )
    del table
    source = ParquetSource(DataConfig(source="parquet", path=str(path)))
    pa.default_memory_pool().release_unused()
    with memory_within(40):
        assert sum(len(each.content) for each in source.read(0)) == 96_000 * 1024


TABLES = {
    "t.csv": b"file_name,label,split,age\na.png,dog,train,1\nb.png,cat,test,2\nc.png,,train,3\n",
    "t.jsonl": b'{"file_name": "a.png", "label": 1}\n{"file_name": "b.png", "label": 0}\n',
}
buffer = io.BytesIO()
pq.write_table(pa.table({"file_name": ["a.png", "b.png"], "label": [0, 1]}), buffer)
TABLES["t.parquet"] = buffer.getvalue()


def table(path):
    source = TableSource(DataConfig(source="table", path=str(path)))
    found = [source.row(index) for index in range(len(source))]
    assert source.contents is not None
    assert source.signature
    return found


@pytest.mark.parametrize("name", TABLES)
def test_any_bytes_of_a_table(tmp_path, name):
    for image in ("a.png", "b.png", "c.png"):
        (tmp_path / image).write_bytes(b"x")
    path = tmp_path / name

    @FUZZ
    @given(damaged(TABLES[name]))
    def each(data):
        path.write_bytes(data)
        found = documented(lambda: table(path))
        assert found is None or {row.name for row in found} <= {"a.png", "b.png", "c.png"}

    each()


@pytest.mark.parametrize(
    "name", [*NAMES, "http://nowhere/a.png", "s3:/a/b.png", "://", "file://", "x://y/z.png"]
)
def test_a_table_that_names_anything(tmp_path, name):
    text = name.encode("utf-8", "backslashreplace").decode().replace("\0", "")
    (tmp_path / "t.csv").write_bytes(f'file,label\n"{text}",1\n'.encode())
    found = documented(lambda: table(tmp_path / "t.csv"))
    assert found is None or (found[0].name == "/etc/passwd")
