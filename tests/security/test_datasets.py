"""Prepared datasets from anybody: all of the rows, or one message; what is damaged is made again."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset, fingerprint
from preimage.data.preparing.prepare import prepare
from preimage.errors import DataError
from preimage.storage.folder import Folder, digest
from security.mutations import FUZZ, NAMES, altered, damaged, documented, memory_within

CONFIG = DataConfig(source="digits", size=16, channels=1, max_images=40)
PART = "part-00000.parquet"


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return prepare(CONFIG, Folder.at(tmp_path), backend="local")


def rows(folder: Folder):
    opened = documented(lambda: Dataset.open(folder))
    return documented(lambda: opened.read(0, opened.count)) if opened else None


def same(found, expected) -> bool:
    return found is None or all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def put_back(dataset: Dataset) -> Dataset:
    """Preparing again mends what it finds damaged."""
    return prepare(CONFIG, dataset.folder.parent, backend="local")


def test_any_manifest(dataset):
    expected = dataset.read(0, 40)

    @FUZZ
    @given(altered(dataset.manifest))
    def each(value):
        dataset.folder.write("manifest.json", json.dumps(value).encode("utf-8", "surrogatepass"))
        assert same(rows(dataset.folder), expected)
        if found := documented(lambda: Dataset.open(dataset.folder)):
            documented(found.verify)
            assert (found.config.size, len(found.classes)) == (16, len(found.manifest["classes"]))
        documented(lambda: put_back(dataset))

    each()


def test_any_record(dataset):
    records = dataset.folder / "records"
    record = records.read_json(f"{PART}.json")

    @FUZZ
    @given(altered(record))
    def each(value):
        dataset.folder.remove("manifest.json")
        records.write(f"{PART}.json", json.dumps(value).encode("utf-8", "surrogatepass"))
        found = documented(lambda: put_back(dataset))
        assert found is None or found.count + len(found.skipped) == 40

    each()


@pytest.mark.parametrize("name", ["manifest.json", PART])
def test_any_bytes(dataset, name):
    expected, data = dataset.read(0, 40), dataset.folder.read(name)

    @FUZZ
    @given(damaged(data))
    def each(found):
        dataset.folder.write(name, found)
        assert same(rows(dataset.folder), expected)

    each()


def vouched(dataset: Dataset, data: bytes, file: str = PART, count: int = 40) -> None:
    """Put a shard into a dataset, with a manifest that says that it belongs there."""
    shard = dataset.manifest["shards"][0] | {
        "file": file,
        "bytes": len(data),
        "sha256": digest(data),
        "rows": count,
    }
    whole = dataset.manifest | {"shards": [shard], "fingerprint": fingerprint([shard]), "count": count}
    if file == PART:
        dataset.folder.write(PART, data)
    dataset.folder.write_json("manifest.json", whole)


def test_any_shard_that_the_manifest_vouches_for(dataset):
    data = dataset.folder.read(PART)

    @FUZZ
    @given(damaged(data))
    def each(found):
        vouched(dataset, found)
        read = rows(dataset.folder)
        assert read is None or len(read.image_id) == 40

    each()


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.select(["image_id", "label"]),
        lambda table: table.set_column(1, "pixels", pa.array([b"x"] * 40)),
        lambda table: table.set_column(1, "pixels", pa.nulls(40, pa.binary(256))),
        lambda table: table.set_column(2, "label", pa.array([None] * 40, pa.int32())),
        lambda table: table.set_column(0, "image_id", pa.array([0.5] * 40)),
        lambda table: table.slice(0, 39),
    ],
)
def test_a_shard_of_other_columns_is_refused(dataset, change, tmp_path):
    pq.write_table(change(pq.read_table(dataset.folder.local / PART)), tmp_path / "other.parquet")
    vouched(dataset, (tmp_path / "other.parquet").read_bytes())
    assert rows(dataset.folder) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_shard_outside_of_the_dataset_is_not_read(dataset, tmp_path, name):
    (tmp_path / "outside").write_bytes(dataset.folder.read(PART))
    for named in (name, str(tmp_path / "outside"), "../outside"):
        vouched(dataset, dataset.folder.read(PART), file=named.encode("utf-8", "replace").decode())
        with pytest.raises(DataError):
            Dataset.open(dataset.folder)


@pytest.mark.parametrize("count", [10**9, 10**15, 10**18, 10**30, -1])
def test_a_manifest_that_claims_any_number_of_rows(dataset, count):
    vouched(dataset, dataset.folder.read(PART), count=count)
    with memory_within(40):
        assert rows(dataset.folder) is None


def test_a_few_bytes_that_stand_for_gigabytes_are_refused(dataset):
    count, wide = 300_000, pa.binary(256)
    pixels = pa.FixedSizeBinaryArray.from_buffers(wide, count, [None, pa.py_buffer(bytes(256 * count))])
    table = pa.table(
        {"image_id": pa.array(range(count)), "pixels": pixels, "label": pa.array([0] * count, pa.int32())}
    )
    pq.write_table(table, dataset.folder.local / "bomb", compression="zstd", row_group_size=count)
    data = dataset.folder.read("bomb")
    assert len(data) < 3 << 20
    vouched(dataset, data, count=count)
    with memory_within(20), pytest.raises(DataError, match="bad row groups"):
        Dataset.open(dataset.folder).read(0, 10)
