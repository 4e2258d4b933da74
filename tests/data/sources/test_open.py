"""The one way in to every source."""

import numpy as np
import pytest

from preimage.data.config import DataConfig
from preimage.data.sources import idx
from preimage.data.sources.open import found, locate, name_without_files, open_source
from preimage.errors import DataError


def test_digits():
    source = open_source(DataConfig(source="digits"))
    assert len(source) == 1797
    images = np.stack([source.load(i) for i in range(50)])
    assert images.shape == (50, 8, 8)
    assert (images.min(), images.max()) == (0, 255)
    assert [source.row(i).label for i in range(10)] == list(range(10))
    counts = np.bincount([source.row(i).label for i in range(1797)])
    assert source.contents.class_counts == tuple(counts)


def test_digits_have_no_test_split():
    with pytest.raises(DataError, match="no split test"):
        open_source(DataConfig(source="digits", split="test"))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("mnist", ["train-images-idx3-ubyte"]),
        ("fashion-mnist", ["train-images-idx3-ubyte", "apt install dataset-fashion-mnist"]),
        ("cifar10", ["cifar-10-python.tar.gz", ".zip"]),
        ("stl10", ["stl10_binary.tar.gz"]),
        ("celeba", ["img_align_celeba/", "list_eval_partition.txt"]),
        ("lsun", ["bedroom_train_lmdb/", "data.category=bedroom"]),
        ("imagenet", ["ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_img_train.tar"]),
    ],
)
def test_a_missing_set_says_which_files_and_which_command(name, parts):
    config = DataConfig(source=name, category="bedroom" if name == "lsun" else None)
    assert found(name) is None
    with pytest.raises(DataError) as caught:
        open_source(config)
    for part in [*parts, f"preimage data prepare {name}", "data.path=FOLDER"]:
        assert part in str(caught.value)


def test_folder_needs_a_path():
    with pytest.raises(DataError, match="source=folder needs a path"):
        open_source(DataConfig(source="folder"))


@pytest.mark.parametrize("name", ["folder", "cifar10", "mnist", "lsun"])
def test_a_path_that_does_not_exist_is_named(name, tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_source(DataConfig(source=name, path=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "stl10", "celeba", "imagenet"])
def test_a_path_with_nothing_of_use_says_what_was_expected(name, tmp_path):
    with pytest.raises(DataError, match=r"neither .* own files nor images\. Expected: "):
        open_source(DataConfig(source=name, path=str(tmp_path)))


def test_lsun_needs_a_category_and_its_folder(tmp_path):
    with pytest.raises(DataError, match=r"set data.category to one of bedroom, .*tower"):
        open_source(DataConfig(source="lsun", path=str(tmp_path)))
    with pytest.raises(DataError, match="kitchen_val_lmdb is missing"):
        open_source(DataConfig(source="lsun", path=str(tmp_path), category="kitchen", split="test"))


@pytest.mark.parametrize("name", ["cifar10", "mnist", "celeba", "lsun", "imagenet"])
@pytest.mark.parametrize("container", ["as_folder", "as_zip"])
def test_a_named_source_reads_a_tree_of_images(request, two_classes, container, name):
    path = request.getfixturevalue(container)(two_classes)
    source = open_source(DataConfig(source=name, path=str(path)))
    assert (len(source), source.classes) == (6, ["cat", "dog"])


def test_fashion_mnist_is_found_where_debian_puts_it(tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "DEBIAN_FASHION", tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"")
    assert found("fashion-mnist") == str(tmp_path)
    assert locate(DataConfig(source="fashion-mnist")).path == str(tmp_path)


def test_a_relative_path_is_made_absolute(two_classes, as_folder, monkeypatch):
    root = as_folder(two_classes)
    monkeypatch.chdir(root.parent)
    assert locate(DataConfig(source="folder", path=root.name)).path == str(root)


def test_a_named_set_without_files_has_a_name():
    assert name_without_files(DataConfig(source="lsun", category="tower")) == "lsun/train/tower"
    assert name_without_files(DataConfig(source="cifar10", split="test")) == "cifar10/test"
