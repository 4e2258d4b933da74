"""A user's own images: trees and .zip files."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preimage.data.decode import UNREADABLE
from preimage.data.files import FilesSource, holds_images
from preimage.errors import DataError


@pytest.mark.parametrize("container", ["as_folder", "as_zip"])
def test_a_folder_is_a_class_and_litter_is_left_out(request, two_classes, container):
    source = FilesSource(request.getfixturevalue(container)(two_classes), "train")
    assert source.classes == ["cat", "dog"]
    assert [source.row(i).name for i in range(len(source))] == [
        "cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png",
    ]  # fmt: skip
    assert [source.row(i).label for i in range(6)] == [0, 0, 0, 1, 1, 1]


def test_folder_and_zip_hold_the_same_pixels(two_classes, as_folder, as_zip):
    folder, archive = FilesSource(as_folder(two_classes), "train"), FilesSource(as_zip(two_classes), "train")
    for index in range(6):
        one, other = (np.frombuffer(source.load(index), np.uint8) for source in (folder, archive))
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("prefix", ["", "photos/2024/"])
def test_one_folder_of_images_has_no_classes(as_folder, make_png, prefix):
    source = FilesSource(as_folder({f"{prefix}{i}.png": make_png(i) for i in range(2)}), "train")
    assert source.classes == []
    assert [source.row(i).label for i in range(2)] == [-1, -1]


@pytest.mark.parametrize("wrap", ["", "my-images/"])
def test_split_is_a_top_folder_and_labels_agree_between_splits(as_zip, make_png, wrap):
    names = ["train/a/0.png", "train/b/0.png", "train/c/0.png", "test/c/0.png", "test/c/1.png"]
    path = as_zip({wrap + name: make_png(i) for i, name in enumerate(names)})
    train, test = FilesSource(path, "train"), FilesSource(path, "test")
    assert (len(train), len(test)) == (3, 2)
    assert train.classes == test.classes == ["a", "b", "c"]
    assert test.row(0).label == train.row(2).label == 2
    assert train.signature != test.signature


def test_a_missing_split_is_named(as_folder, make_png):
    root = as_folder({"train/a/0.png": make_png(0), "train/b/0.png": make_png(1)})
    with pytest.raises(DataError, match="has train/ but no test/"):
        FilesSource(root, "test")


def test_test_split_of_a_tree_without_splits_is_refused(two_classes, as_folder):
    with pytest.raises(DataError, match="no train/ and test/ folders"):
        FilesSource(as_folder(two_classes), "test")


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:/evil.png"]
)
def test_a_zip_member_that_escapes_is_refused(as_zip, make_png, name):
    path = as_zip({"a/0.png": make_png(0), name: make_png(1)})
    with pytest.raises(DataError, match="points outside"):
        FilesSource(path, "train")


def test_a_cut_zip_is_refused(two_classes, as_zip):
    path = as_zip(two_classes)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"not a readable \.zip"):
        FilesSource(path, "train")


def test_a_zip_member_with_a_wrong_checksum_is_unreadable(as_zip, make_png):
    path = as_zip({"a.png": make_png(0), "b.png": make_png(1)})
    data = bytearray(path.read_bytes())
    data[120] ^= 0xFF  # inside a.png, which is stored as it is
    path.write_bytes(data)
    source = FilesSource(path, "train")
    with pytest.raises(UNREADABLE, match="CRC"):
        source.load(0)
    source.load(1)


def test_no_images_at_all_is_said(as_folder):
    with pytest.raises(DataError, match="holds no images"):
        FilesSource(as_folder({"readme.txt": b"text"}), "train")


def test_a_zip_signature_changes_with_its_content_only(two_classes, as_zip, make_png):
    before = FilesSource(as_zip(two_classes), "train").signature
    assert FilesSource(as_zip(two_classes), "train").signature == before
    changed = two_classes | {"cat/0.png": make_png(99)}
    assert FilesSource(as_zip(changed), "train").signature != before


def test_links_are_followed_but_not_in_a_circle(two_classes, as_folder, tmp_path: Path):
    root = as_folder(two_classes)
    os.symlink(root, root / "cat" / "loop")
    (tmp_path / "linked").mkdir()
    os.symlink(root / "dog", tmp_path / "linked" / "dogs")
    assert len(FilesSource(root, "train")) == 6
    assert len(FilesSource(tmp_path / "linked", "train")) == 3


def test_a_name_that_is_not_text_is_described(as_folder, make_png):
    root = as_folder({"a.png": make_png(0)})
    (root / os.fsdecode(b"\xff.png")).write_bytes(make_png(1))
    source = FilesSource(root, "train")
    assert [source.row(i).name for i in range(2)] == ["a.png", "\\udcff.png"]
    assert len(source.signature.listing) == 64


def test_holds_images(two_classes, as_folder, as_zip, tmp_path):
    assert holds_images(as_folder(two_classes))
    assert holds_images(as_zip(two_classes))
    (tmp_path / "empty").mkdir()
    assert not holds_images(tmp_path / "empty")


def test_an_encrypted_member_is_unreadable(as_zip, make_png, monkeypatch):
    source = FilesSource(as_zip({"a.png": make_png(0)}), "train")

    def locked(*_: object) -> bytes:
        raise RuntimeError("File 'a.png' is encrypted, password required for extraction")

    monkeypatch.setattr(zipfile.ZipFile, "open", locked)
    with pytest.raises(UNREADABLE):
        source.load(0)


def test_a_program_in_disguise_is_not_run(as_folder):
    source = FilesSource(
        as_folder({"a.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"}), "train"
    )
    with pytest.raises(Image.UnidentifiedImageError):
        source.load(0)
