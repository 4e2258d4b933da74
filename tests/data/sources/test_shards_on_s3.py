"""Shards and arrays on object storage are those that lie on a disk."""

import io
import tarfile

import numpy as np
import pytest

from preimage.data.config import DataConfig
from preimage.data.sources.arrays import ArraysSource
from preimage.data.sources.webdataset import WebDatasetSource
from preimage.errors import DataError
from preimage.storage.folder import Folder

IMAGES = np.arange(6 * 8 * 8, dtype=np.uint8).reshape(6, 8, 8)


def shard(first: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for i in range(first, first + 3):
            for suffix, data in (("cls", b"%d" % i), ("png", bytes([i]) * 700)):
                info = tarfile.TarInfo(f"{i}.{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def tars(path: str) -> WebDatasetSource:
    return WebDatasetSource(DataConfig(source="webdataset", path=path))


def test_shards_by_folder_file_and_pattern(s3: Folder):
    for i in range(3):
        (s3 / "set").write(f"a-{i:02d}.tar", shard(3 * i))
    (s3 / "set").write("notes.md", b"")
    for path, first in (
        ("set", 0),
        ("set/", 0),
        ("set/a-02.tar", 6),
        ("set/a-{01..02}.tar", 3),
        ("s*/*-01.tar", 3),
    ):
        found = tars(f"{s3.uri}/{path}")
        samples = [sample for piece in range(len(found.pieces)) for sample in found.read(piece)]
        assert {len(sample.content or b"") for sample in samples} == {700}
        assert samples[0].content == bytes([first]) * 700
    assert [each.reason for each in tars(f"{s3.uri}/set").contents.left_out] == ["suffix .md"]
    with pytest.raises(DataError, match=r"lacks a-03\.tar"):
        tars(f"{s3.uri}/set/a-{{02..03}}.tar")
    with pytest.raises(DataError, match="holds|does not exist"):
        tars(f"{s3.uri}/none")


def written(write, *arrays: np.ndarray, **named: np.ndarray) -> bytes:
    stream = io.BytesIO()
    write(stream, *arrays, **named)
    return stream.getvalue()


def test_arrays(s3: Folder):
    s3.write("x.npy", written(np.save, IMAGES))
    s3.write("y.npy", written(np.save, np.arange(6)))
    s3.write("x.npz", written(np.savez_compressed, images=IMAGES, labels=np.arange(6)))
    for options in ({"path": f"{s3.uri}/x.npz"}, {"path": f"{s3.uri}/x.npy", "label_column": "y.npy"}):
        found = ArraysSource(DataConfig(source="arrays", **options))
        np.testing.assert_array_equal([found.load(i) for i in range(len(found))], IMAGES)
        assert [found.row(i).label for i in range(6)] == list(range(6))


def test_a_bucket_that_is_not_there(s3: Folder):
    for open_it in (tars, lambda path: ArraysSource(DataConfig(source="arrays", path=path))):
        with pytest.raises(DataError):
            open_it("s3://no-such-bucket/a")
