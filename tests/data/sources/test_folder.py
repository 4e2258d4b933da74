"""A user's own images: folders and .zip files, on this machine and on object storage."""

import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from preimage.data.config import DataConfig
from preimage.data.decoding.decode import UNREADABLE
from preimage.data.sources.base import LeftOut
from preimage.data.sources.folder import FilesSource
from preimage.data.sources.listing import holds_images
from preimage.errors import DataError
from preimage.storage.folder import Folder
from preimage.storage.other import OtherStorage


def opened(address: str | Path | Folder, split: str = "train") -> FilesSource:
    return FilesSource(address, DataConfig(source="folder", path="photos", split=split))


def names(source: FilesSource) -> list[str]:
    return [source.row(index).name for index in range(len(source))]


def labels(source: FilesSource) -> list[int]:
    return [source.row(index).label for index in range(len(source))]


def remote(path: Path) -> Folder:
    """What a path is on a filesystem that is not this machine's."""
    below = fs.SubTreeFileSystem(str(path.parent), fs.LocalFileSystem())
    return Folder(OtherStorage(below, "below://"), path.name)


@pytest.mark.parametrize("place", [str, remote])
@pytest.mark.parametrize("container", ["as_folder", "as_zip"])
def test_a_folder_is_a_class_and_litter_is_silent(request, two_classes, container, place):
    source = opened(place(request.getfixturevalue(container)(two_classes)))
    found = ["cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png"]
    assert (names(source), labels(source)) == (found, [0, 0, 0, 1, 1, 1])
    assert [source.load(index) for index in range(6)] == [two_classes[name] for name in found]
    assert (source.classes, source.contents.class_counts) == (["cat", "dog"], (3, 3))
    assert source.contents.left_out == (LeftOut("suffix .txt", 1, ("notes.txt",)),)


@pytest.mark.parametrize("prefix", ["", "photos/2024/"])
def test_one_folder_of_images_has_no_classes(as_folder, make_png, prefix):
    source = opened(as_folder({f"{prefix}{i}.png": make_png(i) for i in range(2)}))
    assert (source.classes, labels(source), names(source)[0]) == ([], [-1, -1], f"{prefix}0.png")


@pytest.mark.parametrize("wrap", ["", "my-images/"])
def test_split_is_a_top_folder_and_labels_agree_between_splits(as_zip, make_png, wrap):
    tree = ["train/a/0.png", "train/b/0.png", "train/c/0.png", "test/c/0.png", "test/c/1.png"]
    path = as_zip({wrap + name: make_png(i) for i, name in enumerate(tree)})
    train, test = opened(path), opened(path, "test")
    assert train.classes == test.classes == ["a", "b", "c"]
    assert (labels(train), labels(test)) == ([0, 1, 2], [2, 2])
    assert (train.contents.class_counts, test.contents.class_counts) == ((1, 1, 1), (0, 0, 2))
    assert train.contents.splits == test.contents.splits == {"train": 3, "test": 2}
    assert train.signature != test.signature
    assert names(test) == [f"{wrap}test/c/0.png", f"{wrap}test/c/1.png"]


def test_members_that_a_program_wrote_with_backslashes(as_zip, two_classes):
    path = as_zip({f"pets\\{name}".replace("/", "\\"): data for name, data in two_classes.items()})
    source = opened(path)
    assert (source.classes, len(source)) == (["cat", "dog"], 6)
    assert (source.row(5).name, source.load(5)) == ("pets/dog/2.png", two_classes["dog/2.png"])


def test_what_is_not_read_is_listed_with_the_reason(as_folder, make_png):
    unread = ["IMG_0.HEIC", "IMG_1.HEIC", "a/7.CR2", "README", "train.csv", "boxes.mat", "label_names.txt"]
    images = ["a/0.png", "b/0.png", "loose.png", "new/0.png", "new/1.png"]
    path = as_folder(dict.fromkeys(unread, b"x") | {name: make_png(0) for name in images})
    source = opened(path, "a")
    assert names(source) == ["a/0.png"]
    assert source.contents.left_out == (
        LeftOut("folder new/ is no split", 2, ("new/0.png", "new/1.png")),
        LeftOut("folder b/ is no split", 1, ("b/0.png",)),
        LeftOut("outside of the splits' folders", 1, ("loose.png",)),
        LeftOut(
            "labels files; data.source=table reads .csv, .jsonl and .parquet",
            3,
            ("boxes.mat", "label_names.txt", "train.csv"),
        ),
        LeftOut("suffix .HEIC", 2, ("IMG_0.HEIC", "IMG_1.HEIC")),
        LeftOut("no suffix", 1, ("README",)),
        LeftOut("suffix .CR2", 1, ("a/7.CR2",)),
    )


def test_a_folder_of_many_suffixes_is_summed_up(as_folder, make_png):
    path = as_folder({f"scan.{index:03}": b"x" for index in range(30)} | {"a.png": make_png(0)})
    left_out = opened(path).contents.left_out
    assert (len(left_out), left_out[-1].reason, left_out[-1].count) == (21, "10 other suffixes", 10)


PARTS = st.sampled_from(["train", "test", "Val", "cat", "dog"])
FILES = st.sampled_from(["0.png", "1.JPG", "2.heic", "labels.csv", "README"])
PATHS = st.tuples(st.lists(PARTS, max_size=3), FILES).map(lambda found: "/".join([*found[0], found[1]]))


@given(st.sets(PATHS, min_size=1, max_size=12), st.sampled_from(["train", "test"]))
def test_each_file_is_used_or_in_another_split_or_left_out(tmp_path_factory, paths, split):
    path = tmp_path_factory.getbasetemp() / "any.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in paths:
            archive.writestr(name, b"x")
    try:
        source = opened(path, split)
    except DataError:
        return
    used, contents = names(source), source.contents
    assert {*used} <= {name for name in paths if name.endswith(("png", "JPG"))}
    in_splits = sum(contents.splits.values()) or len(used)
    assert in_splits + sum(each.count for each in contents.left_out) == len(paths)
    for name, label in zip(used, labels(source), strict=True):
        assert label == -1 or source.classes[label] in name.split("/")[:-1]
    assert list(contents.class_counts) == [
        labels(source).count(label) for label in range(len(source.classes))
    ]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("photos.tar", r"unpack it.*source=webdataset"),
        ("photos.tar.gz", "unpack it"),
        ("photos.TGZ", "unpack it"),
        ("photos.rar", "unpack it"),
        ("photos.7z", "unpack it"),
        ("photos.parquet", "source=parquet"),
        ("photos.npz", "source=arrays"),
        ("photos.csv", "source=table"),
        ("photo.JPG", "give the folder"),
        ("photos", r"not a readable \.zip"),
    ],
)
def test_another_kind_of_file_says_what_to_do(tmp_path, name, what):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:  # an .npz is a .zip
        archive.writestr("a.npy", b"x")
    if name == "photos":
        (tmp_path / name).write_bytes(b"text")
    with pytest.raises(DataError, match=what):
        opened(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:/evil.png"]
)
def test_a_zip_member_that_escapes_is_refused(as_zip, make_png, name):
    path = as_zip({"a/0.png": make_png(0), name: make_png(1)})
    with pytest.raises(DataError, match="points outside"):
        opened(path)


def test_two_members_of_one_name_are_refused(as_zip):
    with pytest.raises(DataError, match=r"'a/0\.png' twice"):
        opened(as_zip({"a/0.png": b"x", "a\\0.png": b"y"}))


def test_a_cut_zip_is_refused(two_classes, as_zip):
    path = as_zip(two_classes)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"not a readable \.zip"):
        opened(path)


def test_a_zip_member_with_a_wrong_checksum_is_unreadable(as_zip, make_png):
    path = as_zip({"a.png": make_png(0), "b.png": make_png(1)})
    data = bytearray(path.read_bytes())
    data[120] ^= 0xFF  # inside a.png, which is stored as it is
    path.write_bytes(data)
    source = opened(path)
    with pytest.raises(UNREADABLE, match="CRC"):
        source.load(0)
    source.load(1)


def test_no_images_at_all_is_said_with_what_is_there(as_folder):
    with pytest.raises(DataError, match=r"holds no images .* but 1 of suffix \.HEIC, such as a/0\.HEIC"):
        opened(as_folder({"a/0.HEIC": b"x"}))


@pytest.mark.parametrize("path", ["nowhere", "photos.zip/cat"])
def test_a_path_that_does_not_exist_is_named(tmp_path, path):
    with pytest.raises(DataError, match=f"{path} does not exist"):
        opened(tmp_path / path)


def test_a_pipe_is_neither_listed_nor_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="neither a folder nor a file"):
        opened(tmp_path / "pipe")


@pytest.mark.parametrize("container", ["as_folder", "as_zip"])
def test_a_copy_has_the_same_listing(request, two_classes, container, tmp_path):
    path = request.getfixturevalue(container)(two_classes)
    before = opened(path).signature
    path.rename(tmp_path / "elsewhere")
    assert opened(tmp_path / "elsewhere").signature == before  # the same files, moved
    copy = opened(request.getfixturevalue(container)(two_classes)).signature
    assert copy.listing == before.listing
    assert (copy.state == before.state) == (container == "as_zip")  # a .zip has checksums


@pytest.mark.parametrize("container", ["as_folder", "as_zip"])
def test_a_rewritten_image_has_another_state_and_the_others_have_not(request, two_classes, container):
    write = request.getfixturevalue(container)
    before = opened(write(two_classes))
    signature, states = before.signature, [before.state(np.array([index])) for index in range(6)]
    changed = {"cat/1.png": two_classes["cat/1.png"][::-1]}
    after = opened(write(changed if container == "as_folder" else two_classes | changed))
    assert after.signature.listing == signature.listing
    assert after.signature.state != signature.state
    now = [after.state(np.array([index])) for index in range(6)]
    assert [one == other for one, other in zip(states, now, strict=True)] == [True, False, *[True] * 4]
    assert len({*now}) == 6


def test_a_file_replaced_by_an_older_one_has_another_state(two_classes, as_folder):
    path = as_folder(two_classes)
    found = (path / "cat" / "0.png").stat()
    before = opened(path).signature
    (path / "cat" / "new").write_bytes(two_classes["cat/0.png"])
    os.utime(path / "cat" / "new", ns=(found.st_atime_ns, found.st_mtime_ns))
    (path / "cat" / "new").rename(path / "cat" / "0.png")
    assert opened(path).signature.state != before.state  # by its inode


def test_a_time_before_1970_is_a_time(two_classes, as_folder):
    path = as_folder(two_classes)
    os.utime(path / "cat" / "0.png", ns=(0, -1))
    assert len(opened(path)) == 6


def test_links_are_followed_but_not_in_a_circle(two_classes, as_folder, tmp_path: Path):
    root = as_folder(two_classes)
    os.symlink(root, root / "cat" / "loop")
    (tmp_path / "linked").mkdir()
    os.symlink(root / "dog", tmp_path / "linked" / "dogs")
    assert len(opened(root)) == 6
    assert len(opened(tmp_path / "linked")) == 3


def test_a_name_that_is_not_text_is_described(as_folder, make_png):
    root = as_folder({"a.png": make_png(0)})
    (root / os.fsdecode(b"\xff.png")).write_bytes(make_png(1))
    (root / os.fsdecode(b"\xff.\xfe")).write_bytes(b"x")
    source = opened(root)
    assert names(source) == ["a.png", "\\udcff.png"]
    assert source.load(1) == make_png(1)
    assert source.contents.left_out == (LeftOut("suffix .\\udcfe", 1, ("\\udcff.\\udcfe",)),)
    assert len(source.signature.state) == 64


def test_holds_images(two_classes, as_folder, as_zip, tmp_path):
    assert holds_images(as_folder(two_classes))
    assert holds_images(as_zip(two_classes))
    (tmp_path / "empty").mkdir()
    assert not holds_images(tmp_path / "empty")


def test_an_encrypted_member_is_unreadable(as_zip, make_png, monkeypatch):
    source = opened(as_zip({"a.png": make_png(0)}))

    def locked(*_: object) -> bytes:
        raise RuntimeError("File 'a.png' is encrypted, password required for extraction")

    monkeypatch.setattr(zipfile.ZipFile, "open", locked)
    with pytest.raises(UNREADABLE):
        source.load(0)


def test_a_folder_and_a_zip_in_a_bucket(s3, two_classes, as_zip):
    for name, data in {"train.zip": as_zip(two_classes).read_bytes(), "empty/.keep": b""}.items():
        s3.write(name, data)
    for name, data in two_classes.items():
        s3.write(f"pets/{name}", data)
    found, archive = opened(f"{s3.uri}/pets/"), opened(f"{s3.uri}/train.zip")
    assert names(found) == names(archive)
    assert found.signature.listing == archive.signature.listing
    for source in (found, archive):
        assert (source.classes, labels(source)) == (["cat", "dog"], [0, 0, 0, 1, 1, 1])
        assert source.load(4) == two_classes["dog/1.png"]
    s3.remove("pets/dog/1.png")
    with pytest.raises(UNREADABLE):
        found.load(4)
    with pytest.raises(DataError, match="holds no images"):
        opened(f"{s3.uri}/empty")


@pytest.mark.parametrize("address", ["{}/nowhere", "{}/photos.zip", "s3://no-bucket-of-this-name/photos"])
def test_a_wrong_address_is_refused_at_once(s3, address):
    start = time.monotonic()
    with pytest.raises(DataError, match="does not exist|there is no bucket no-bucket-of-this-name"):
        opened(address.format(s3.uri))
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("address", "why"),
    [("s3://", "names no bucket"), ("s3:/b/x", "write s3://b/x"), ("s3://k:secret@b/x", "AWS_ACCESS_KEY_ID")],
)
def test_an_address_that_nobody_means_is_refused(s3, address, why):
    with pytest.raises(DataError, match=why):
        opened(address)


def test_storage_that_fails_is_no_unreadable_image(as_folder, make_png):
    root = as_folder({"a/0.png": make_png(0)})
    source = opened(remote(root))
    (root / "a").rename(root / "b")
    (root / "a").write_bytes(b"")  # a.png's folder is none: as unreachable as a server that is gone
    with pytest.raises(DataError, match=r"cannot read .*a/0\.png: .* Check the address"):
        source.load(0)
