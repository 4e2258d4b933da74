"""Parquet files and tables in object storage: a real S3 server."""

import pytest

from data.parquets import hf_table, rows, write
from preimage.data.config import DataConfig
from preimage.data.sources.open import open_source
from preimage.errors import DataError


def test_parquet_in_a_bucket(s3, tmp_path):
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        path = write(
            tmp_path / "a.parquet", hf_table([f"{name} {row}".encode() for row in range(3)], [0, 1, 0]), 2
        )
        s3.write(f"digits/data/{name}.parquet", path.read_bytes())
    config = DataConfig(source="parquet", path=f"{s3.uri}/digits")
    source = open_source(config)
    assert source.contents.splits == {"test": 3, "train": 6}
    found = rows(source)
    assert [each.content for each in found[:3]] == [
        f"train-00000-of-00002 {row}".encode() for row in range(3)
    ]
    assert found[5].row.name == "data/train-00001-of-00002.parquet#2"
    assert open_source(config).signature == source.signature
    s3.write("digits/data/train-00000-of-00002.parquet", b"short")
    with pytest.raises(DataError, match="train-00000-of-00002.parquet cannot be read"):
        open_source(config)
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_source(DataConfig(source="parquet", path=f"{s3.uri}/nowhere"))


def test_a_table_in_a_bucket(s3, make_png):
    for seed, name in enumerate(("a.png", "sub/b.png")):
        s3.write(f"pets/{name}", make_png(seed))
    s3.write("pets/list.csv", f"file,label\na.png,cat\n{s3.uri}/pets/sub/b.png,dog\n".encode())
    config = DataConfig(source="table", path=f"{s3.uri}/pets/list.csv")
    source = open_source(config)
    assert [source.load(index) for index in range(2)] == [make_png(0), make_png(1)]
    assert open_source(config).signature == source.signature
    s3.remove("pets/sub/b.png")
    with pytest.raises(DataError, match=r"1 of 2 files .* are missing:\n  s3://"):
        print(open_source(config).signature)
