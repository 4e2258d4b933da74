"""Named sets through torchvision, on tiny copies of their files."""

import hashlib
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from preimage.data.config import SOURCES, DataConfig
from preimage.data.decoding.decode import open_image
from preimage.data.sources.open import found, open_source
from preimage.errors import DataError

NAMES = ["airplane", "automobile"]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def tiny_cifar10(tmp_path, monkeypatch) -> Path:
    """Four images in the official layout, with checksums to match."""
    root = tmp_path / "cifar"
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3072), np.uint8)
    batch = pickle.dumps({"data": pixels, "labels": [0, 1, 1, 0]})
    meta = pickle.dumps({"label_names": NAMES})
    (root / "cifar-10-batches-py").mkdir(parents=True)
    for name, data in (("data_batch_1", batch), ("test_batch", batch), ("batches.meta", meta)):
        (root / "cifar-10-batches-py" / name).write_bytes(data)
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", md5(batch)]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", md5(batch)]])
    monkeypatch.setattr(
        datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5(meta)}
    )
    return root


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-py"])
def test_cifar10(tiny_cifar10, inside):
    source = open_source(DataConfig(source="cifar10", path=str(tiny_cifar10 / inside)))
    assert len(source) == 4
    assert source.classes == NAMES
    assert source.load(1).shape == (32, 32, 3)
    assert source.row(1) == ("train/1", 1, {})
    assert source.contents.class_counts == (2, 2)


class Explosive:
    """What runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta"])
def test_a_pickle_with_another_checksum_is_never_loaded(tiny_cifar10, tmp_path, name):
    fuse = tmp_path / "exploded"
    (tiny_cifar10 / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Explosive(fuse)))
    source = open_source(DataConfig(source="cifar10", path=str(tiny_cifar10)))
    with pytest.raises(DataError, match="not the official ones"):
        source.load(0)
    assert not fuse.exists()
    pickle.loads(pickle.dumps(Explosive(fuse)))
    assert fuse.exists()  # the bomb works


def test_stl10(tmp_path, monkeypatch):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    data = {"train_X.bin": bytes(2 * 3 * 96 * 96), "train_y.bin": bytes([1, 10])}
    data["unlabeled_X.bin"] = bytes([7]) * (3 * 3 * 96 * 96)
    for name, content in data.items():
        (folder / name).write_bytes(content)
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    monkeypatch.setattr(
        datasets.STL10, "train_list", [[name, md5(content)] for name, content in data.items()]
    )
    monkeypatch.setattr(datasets.STL10, "test_list", [])
    source = open_source(DataConfig(source="stl10", path=str(tmp_path)))
    assert (len(source), source.classes, source.row(1).label) == (2, ["airplane", "bird"], 9)
    unlabeled = open_source(DataConfig(source="stl10", path=str(tmp_path), split="unlabeled"))
    assert (len(unlabeled), unlabeled.row(2).label) == (3, -1)
    assert np.asarray(unlabeled.load(2))[0, 0].tolist() == [7, 7, 7]


def test_only_stl10_has_unlabeled_images():
    with pytest.raises(ValueError, match="mnist has no unlabeled images"):
        DataConfig(source="mnist", split="unlabeled")


def test_imagenet(tmp_path, make_png):
    torch.save(({"n01": ("crane", "bird"), "n02": ("dog",)}, []), tmp_path / "meta.bin")
    for wnid in ("n01", "n02"):
        (tmp_path / "train" / wnid).mkdir(parents=True)
        (tmp_path / "train" / wnid / f"{wnid}_1.png").write_bytes(make_png(0))
    source = open_source(DataConfig(source="imagenet", path=str(tmp_path)))
    assert source.classes == ["crane, bird", "dog"]
    assert source.row(1) == ("train/n02/n02_1.png", 1, {})
    assert source.contents.class_counts == (1, 1)
    before = source.signature
    (tmp_path / "train" / "n02" / "n02_2.png").write_bytes(make_png(1))
    grown = open_source(DataConfig(source="imagenet", path=str(tmp_path)))
    assert grown.signature.listing != before.listing


def test_lsun(tmp_path, make_png):
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(tmp_path / "bedroom_val_lmdb")) as database, database.begin(write=True) as transaction:
        transaction.put(b"b", make_png(0))
        transaction.put(b"a", make_png(1, (20, 30)))
    source = open_source(DataConfig(source="lsun", category="bedroom", split="test", path=str(tmp_path)))
    assert (len(source), source.classes, source.row(0)) == (2, [], ("a", -1, {}))
    assert open_image(source.load(0)).size == (20, 30)


def download(name: str) -> Path:
    fetch = SOURCES[name].fetch
    assert fetch
    return fetch(DataConfig(source=name))


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "stl10"])
def test_a_failed_download_says_what_to_do_and_leaves_nothing(name, empty_cache, capfd):
    with pytest.raises(DataError, match="download failed") as caught:
        download(name)
    assert f"preimage data prepare {name} data.path=FOLDER" in str(caught.value)
    assert ("apt install dataset-fashion-mnist" in str(caught.value)) == (name == "fashion-mnist")
    assert list(empty_cache.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_a_download_is_moved_into_place_whole(empty_cache, monkeypatch):
    def fetch(root: Path, download: bool) -> None:
        assert not (empty_cache / "cifar10").exists()
        (root / "cifar-10-batches-py").mkdir()

    monkeypatch.setattr(datasets, "CIFAR10", fetch)
    assert found("cifar10") is None
    assert download("cifar10") == empty_cache / "cifar10"
    assert found("cifar10") == str(empty_cache / "cifar10")
    assert [path.name for path in empty_cache.iterdir()] == ["cifar10"]
