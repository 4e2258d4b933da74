"""Reading a prepared dataset."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from preimage.data.config import DataConfig
from preimage.data.dataset import MANIFEST, Dataset
from preimage.data.preparing import shard_plan, shards
from preimage.data.preparing.prepare import prepare
from preimage.errors import DataError
from preimage.storage.folder import Folder

LIMIT = 41


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Dataset:
    """41 digits in shards of 8, row groups of 3."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_plan, "_FEWEST", 8)
        patch.setattr(shard_plan, "_SPREAD", 1000)
        patch.setattr(shards, "GROUP_ROWS", 3)
        return prepare(
            DataConfig(source="digits", size=8, channels=1, max_images=LIMIT),
            Folder.at(tmp_path_factory.mktemp("datasets")),
            backend="local",
        )


@pytest.fixture
def copy(digits, tmp_path) -> Path:
    """The same dataset, to be damaged."""
    root = tmp_path / "copy"
    root.mkdir()
    for path in digits.folder.local.iterdir():
        if path.is_file():
            (root / path.name).write_bytes(path.read_bytes())
    return root


def test_properties(digits):
    assert (digits.count, len(digits), digits.shape) == (LIMIT, LIMIT, (1, 8, 8))
    assert digits.classes == [str(i) for i in range(10)]
    assert len(digits.fingerprint) == 64
    assert digits.config == DataConfig(source="digits", size=8, channels=1, max_images=LIMIT)
    assert len(digits.manifest["shards"]) == 6


def test_types_and_shapes(digits):
    images = digits.read(0, 5)
    assert (images.image_id.shape, images.image_id.dtype) == ((5,), torch.int64)
    assert (images.pixels.shape, images.pixels.dtype) == ((5, 1, 8, 8), torch.uint8)
    assert (images.labels.shape, images.labels.dtype) == ((5,), torch.int32)


@given(st.integers(0, LIMIT), st.integers(0, LIMIT))
def test_any_range_is_that_part_of_the_whole(digits, one, other):
    start, stop = sorted((one, other))
    whole, part = digits.read(0, LIMIT), digits.read(start, stop)
    for column, expected in zip(part, whole, strict=True):
        assert torch.equal(column, expected[start:stop])


def test_a_small_range_touches_only_its_shard(digits, copy):
    for name in ("part-00000.parquet", "part-00002.parquet"):
        size = (copy / name).stat().st_size
        (copy / name).write_bytes(bytes(size))
    dataset = Dataset.open(Folder.at(copy))
    assert torch.equal(dataset.read(9, 15).image_id, digits.read(9, 15).image_id)
    with pytest.raises(DataError, match="part-00002"):
        dataset.read(9, 17)


def test_a_range_outside_is_our_own_mistake(digits):
    with pytest.raises(ValueError, match="rows 40 to 42 of a dataset of 41"):
        digits.read(40, 42)


def test_a_missing_manifest_means_unfinished(copy):
    (copy / MANIFEST).unlink()
    with pytest.raises(DataError, match="preparation did not finish; run that again"):
        Dataset.open(Folder.at(copy))


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}'])
def test_a_damaged_manifest_is_said(copy, text):
    (copy / MANIFEST).write_text(text)
    with pytest.raises(DataError, match="damaged"):
        Dataset.open(Folder.at(copy))


def test_a_missing_shard_is_named(copy):
    (copy / "part-00003.parquet").unlink()
    with pytest.raises(DataError, match=r"lacks part-00003\.parquet"):
        Dataset.open(Folder.at(copy))


def test_a_cut_shard_is_named_when_opened_and_when_read(digits, copy):
    opened = Dataset.open(Folder.at(copy))
    path = copy / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"part-00001\.parquet changed in size"):
        Dataset.open(Folder.at(copy))
    with pytest.raises(
        DataError, match=r"part-00001\.parquet is damaged .* delete that file and prepare again"
    ):
        opened.read(0, LIMIT)


def test_a_flipped_bit_is_noticed(digits, copy):
    path = copy / "part-00001.parquet"
    data = bytearray(path.read_bytes())
    pixels = np.frombuffer(data, np.uint8)
    middle = len(pixels) // 3
    data[middle] ^= 1
    del pixels
    path.write_bytes(data)
    dataset = Dataset.open(Folder.at(copy))
    with pytest.raises(DataError, match=r"part-00001\.parquet changed since preparation"):
        dataset.verify()
    with pytest.raises(DataError, match="part-00001"):
        dataset.read(8, 16)
    digits.verify()
