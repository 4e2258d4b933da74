"""MNIST's file format."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from preimage.data.sources.idx import IdxSource, holds_idx, read_idx
from preimage.errors import DataError

PIXELS = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([2, 0, 9], np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def write(folder: Path, pixels: bytes, labels: bytes, suffix: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    pack = gzip.compress if suffix else bytes
    (folder / f"train-images-idx3-ubyte{suffix}").write_bytes(pack(pixels))
    (folder / f"train-labels-idx1-ubyte{suffix}").write_bytes(pack(labels))
    return folder


def opened(folder: Path, split: str = "train") -> IdxSource:
    return IdxSource("mnist", "0123456789", folder, split)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_images_and_labels(tmp_path, suffix):
    folder = write(tmp_path, idx(PIXELS), idx(LABELS), suffix)
    source = opened(folder)
    assert holds_idx(folder)
    assert len(source) == 3
    np.testing.assert_array_equal(source.load(2), PIXELS[2])
    assert source.row(2) == ("train/2", 9, {})
    assert source.contents.class_counts == (1, 0, 1, 0, 0, 0, 0, 0, 0, 1)


def test_a_copy_has_the_same_listing_and_another_state(tmp_path):
    one = opened(write(tmp_path / "a", idx(PIXELS), idx(LABELS))).signature
    other = opened(write(tmp_path / "b", idx(PIXELS), idx(LABELS))).signature
    assert one.listing == other.listing
    assert one.state != other.state
    fewer = write(tmp_path / "c", idx(PIXELS[:2]), idx(LABELS[:2]))
    assert opened(fewer).signature.listing != one.listing


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (idx(PIXELS)[:-1], "truncated"),
        (idx(PIXELS) + b"x", "too long"),
        (idx(PIXELS)[:10], "not an IDX file"),
        (idx(LABELS), "not an IDX file of uint8 in 3 dimensions"),
        (b"", "not an IDX file"),
        (struct.pack(">4I", 0x803, 2**31, 2**31, 2**31), "truncated"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, data, message):
    path = tmp_path / "images"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_idx(path, 3)


@pytest.mark.parametrize("data", [gzip.compress(idx(PIXELS))[:-12], b"not gzip"], ids=["cut", "other"])
def test_a_damaged_gz_is_refused(tmp_path, data):
    path = tmp_path / "images.gz"
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        read_idx(path, 3)


def test_images_and_labels_must_agree(tmp_path):
    with pytest.raises(DataError, match="3 images and train-labels-idx1-ubyte 2 labels"):
        len(opened(write(tmp_path, idx(PIXELS), idx(LABELS[:2]))))


def test_labels_must_be_of_a_class(tmp_path):
    with pytest.raises(DataError, match="label 10"):
        len(opened(write(tmp_path, idx(PIXELS), idx(LABELS + 1))))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="lacks t10k-images-idx3-ubyte"):
        opened(write(tmp_path, idx(PIXELS), idx(LABELS)), "test")
