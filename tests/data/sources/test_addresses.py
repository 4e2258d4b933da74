"""Images in a bucket whose server only the address names, by every source that takes an address."""

import io
import zipfile

import numpy as np
import pytest

from data.parquets import hf_table, write
from data.sources.test_shards_on_s3 import shard
from preimage.data.config import DataConfig
from preimage.data.sources.open import open_source
from preimage.storage.address import split_options
from s3 import with_options


@pytest.fixture
def bucket(s3, s3_server, make_png, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    root = with_options(s3, s3_server)
    short, _ = split_options(root.uri)
    zipped, arrays = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("cat/a.png", make_png(0))
    np.save(arrays, np.zeros((6, 8, 8), np.uint8))
    write(tmp_path / "a.parquet", hf_table([make_png(0), make_png(1)], [0, 1]), 2)
    for name, data in {
        "tars/a-00.tar": shard(0),
        "tars/a-01.tar": shard(3),
        "photos/cat/a.png": make_png(0),
        "photos/dog/b.png": make_png(1),
        "photos.zip": zipped.getvalue(),
        "x.npy": arrays.getvalue(),
        "table/train.parquet": (tmp_path / "a.parquet").read_bytes(),
        "photos/short.csv": f"file,label\ncat/a.png,0\n{short}/photos/dog/b.png,1\n".encode(),
        "photos/whole.csv": f"file,label\n{root / 'photos/dog/b.png'},1\n".encode(),
    }.items():
        root.write(name, data)
    return root


@pytest.mark.parametrize(
    ("source", "path", "count"),
    [
        ("webdataset", "tars", 6),
        ("webdataset", "tars/a-{00..01}.tar", 6),
        ("webdataset", "tars/*-01.tar", 3),
        ("folder", "photos", 2),
        ("folder", "photos.zip", 1),
        ("arrays", "x.npy", 6),
        ("parquet", "table", 2),
        ("parquet", "table/tr*.parquet", 2),
        ("table", "photos/short.csv", 2),
        ("table", "photos/whole.csv", 1),
    ],
)
def test_every_source_takes_an_address_with_options(bucket, source, path, count):
    found = open_source(DataConfig(source=source, path=(bucket / path).uri))
    assert len(found) == count
    assert found.signature == open_source(DataConfig(source=source, path=(bucket / path).uri)).signature
