"""WebDataset shards: the right images, labels and columns, and what is not read is said."""

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.data.sources import tar_index
from preimage.data.sources.base import LeftOut, Row, is_iterable
from preimage.data.sources.webdataset import WebDatasetSource
from preimage.errors import DataError
from preimage.storage.folder import Folder

Members = list[tuple[str, bytes]]


def pack(path: Path, members: Members, form: int = tarfile.GNU_FORMAT, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form, **options) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def grey(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8), value).save(stream, "PNG")
    return stream.getvalue()


def value(content: bytes | np.ndarray | None) -> int:
    assert isinstance(content, bytes)
    return int(np.asarray(Image.open(io.BytesIO(content)))[0, 0])


def source(path: Path | str, **options) -> WebDatasetSource:
    return WebDatasetSource(DataConfig(source="webdataset", path=str(path), **options))


def everything(found: WebDatasetSource):
    return [sample for piece in range(len(found.pieces)) for sample in found.read(piece)]


def labelled(first: int, count: int, label: str = "cls") -> Members:
    """Samples that are told apart by their grey; the label is the last digit."""
    return [
        member
        for i in range(first, first + count)
        for member in [(f"{i:04d}.{label}", b"%d" % (i % 10)), (f"{i:04d}.png", grey(i))]
    ]


def test_images_labels_and_names_in_order(tmp_path):
    pack(tmp_path / "a-000.tar", labelled(0, 12))
    pack(tmp_path / "a-001.tar", labelled(12, 8))
    found = source(tmp_path)
    assert is_iterable(found)
    assert (len(found), list(found.pieces), found.classes) == (20, [12, 8], [str(i) for i in range(10)])
    assert found.contents.class_counts == (2,) * 10
    assert (dict(found.contents.splits), found.contents.left_out) == ({}, ())
    samples = everything(found)
    assert [value(each.content) for each in samples] == list(range(20))
    assert [each.row.label for each in samples] == [i % 10 for i in range(20)]
    assert samples[13].row == Row("a-001.tar/0013.png", 3, {})


def test_pieces_of_a_shard_start_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_index, "PIECE", 3)
    pack(tmp_path / "a.tar", [("x" * 150 + f"{i}.png", grey(i)) for i in range(10)])
    found = pickle.loads(pickle.dumps(source(tmp_path / "a.tar")))
    assert list(found.pieces) == [3, 3, 3, 1]
    assert [value(each.content) for each in found.read(2)] == [6, 7, 8]
    assert [value(each.content) for each in everything(found)] == list(range(10))


def test_columns_come_from_json_and_captions_from_txt(tmp_path):
    rows = [
        {"smiling": 1, "score": 2, "artist": "Ada", "tags": ["a"], "mixed": 1, "image_id": 7},
        {"smiling": 0, "score": 0.5, "artist": None, "mixed": "one"},
    ]
    members = []
    for i, row in enumerate(rows):
        members += [
            (f"{i}.jpg", grey(i)),
            (f"{i}.json", json.dumps(row).encode()),
            (f"{i}.txt", b"a cat"),
            (f"{i}.npy", b""),
        ]
    found = source(pack(tmp_path / "a.tar", members))
    types = {"artist": "string", "score": "double", "smiling": "int64", "txt": "string"}
    assert {field.name: str(field.type) for field in found.columns} == types
    assert [dict(each.row.columns) for each in everything(found)] == [
        {"artist": "Ada", "score": 2, "smiling": 1, "txt": "a cat"},
        {"artist": None, "score": 0.5, "smiling": 0, "txt": "a cat"},
    ]
    assert found.contents.left_out == (
        LeftOut("suffix .npy", 2),
        LeftOut("keys of .json without one type of number or text", 2, ("mixed", "tags")),
        LeftOut("columns whose names images.parquet takes for itself", 1, ("image_id",)),
    )


def test_a_label_by_the_key_of_a_json_or_any_suffix(tmp_path):
    members = [
        ("1.png", grey(1)),
        ("1.json", b'{"kind": "dog", "n": 1}'),
        ("1.breed", b" pug\n"),
        ("1.cls", b"7"),
    ]
    members += [
        ("2.png", grey(2)),
        ("2.json", b'{"kind": "cat", "n": 2}'),
        ("2.breed", b"tabby"),
        ("2.cls", b"9"),
    ]
    path = pack(tmp_path / "a.tar", members)
    by_key, by_suffix = source(path, label_column="json.kind"), source(path, label_column="breed")
    assert (by_key.classes, by_suffix.classes) == (["cat", "dog"], ["pug", "tabby"])
    assert [each.row.label for each in everything(by_key)] == [1, 0]
    assert (by_key.columns.names, by_suffix.columns.names) == (["n"], ["kind", "n"])
    assert source(path).classes == ["7", "9"]
    with pytest.raises(DataError, match=r"label_column=colour; there are breed, cls, json"):
        source(path, label_column="colour")


def test_of_several_images_one_is_chosen_by_its_suffix(tmp_path):
    path = pack(tmp_path / "a.tar", [("1.jpg", grey(1)), ("1.seg.png", grey(2))])
    with pytest.raises(DataError, match=r"image_column to one of jpg, seg\.png"):
        source(path)
    found = source(path, image_column="seg.png")
    assert [value(each.content) for each in everything(found)] == [2]
    assert found.contents.left_out == (LeftOut("suffix .jpg", 1),)


def test_what_has_no_image_or_label_is_counted(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("README", "1.png", "2.cls", "3.png", "3.cls"):
            info = tarfile.TarInfo(name)
            data = grey(1) if name.endswith("png") else b"4"
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        folder, link = tarfile.TarInfo("folder"), tarfile.TarInfo("4.png")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link.type, link.linkname = tarfile.LNKTYPE, "3.png"
        archive.addfile(link)
    (tmp_path / "notes.md").write_text("x")
    found = source(tmp_path)
    assert [each.row.label for each in everything(found)] == [-1, 0]
    reasons = {each.reason.split(";")[0]: (each.count, each.examples) for each in found.contents.left_out}
    assert reasons == {
        "suffix .md": (1, ("notes.md",)),
        "names that are no KEY.SUFFIX": (1, ("a.tar/README",)),
        "samples without an image": (1, ("a.tar/2",)),
        "hard links": (1, ("a.tar/4.png",)),
        "labels that are missing": (1, ()),
    }


def test_captions_as_labels_are_no_column(tmp_path):
    found = source(pack(tmp_path / "a.tar", [("1.png", grey(1)), ("1.txt", b"dog")]), label_column="txt")
    assert (found.classes, found.columns.names, found.contents.left_out) == (["dog"], [], ())


def test_names_that_are_no_text(tmp_path):
    found = source(pack(tmp_path / "a.tar", [("\udcff.png", grey(1)), ("\udcff.x\udcff", b"")]))
    assert [each.row.name for each in everything(found)] == ["a.tar/\\udcff.png"]
    assert found.contents.left_out == (LeftOut("suffix .x\\udcff", 1),)


def test_splits_by_names_and_one_set_of_classes(tmp_path):
    pack(tmp_path / "set-train-00.tar", [("1.png", grey(1)), ("1.cls", b"dog")])
    pack(tmp_path / "set-val-00.tar", [("1.png", grey(2)), ("1.cls", b"cat")])
    train, valid = source(tmp_path), source(tmp_path, split="validation")
    assert train.classes == valid.classes == ["cat", "dog"]
    assert (train.contents.class_counts, valid.contents.class_counts) == ((0, 1), (1, 0))
    assert train.contents.splits == {"train": 1, "validation": 1}
    with pytest.raises(DataError, match="no split test: set data.split to train or validation"):
        source(tmp_path, split="test")
    pack(tmp_path / "more.tar", [("1.png", grey(2))])
    with pytest.raises(DataError, match=r"files that belong to none, such as more\.tar"):
        source(tmp_path)
    assert len(source(f"{tmp_path}/set-tr*.tar")) == 1


def test_a_pattern_names_every_shard(tmp_path):
    for i in range(9, 12):
        pack(tmp_path / "x" / f"a-{i:02d}.tar", [("1.png", grey(i))])
    found = source(f"{tmp_path}/x/a-{{09..11}}.tar")
    assert [value(each.content) for each in everything(found)] == [9, 10, 11]
    assert len(source(f"{tmp_path}/*/a-1*.tar")) == 2
    with pytest.raises(DataError, match=r"lacks a-07\.tar, a-08\.tar"):
        source(f"{tmp_path}/x/a-{{07..11}}.tar")
    with pytest.raises(DataError, match=r"lacks a-\{11\.\.9\}\.tar"):
        source(f"{tmp_path}/x/a-{{11..9}}.tar")
    with pytest.raises(DataError, match="stands for over 100,000 names"):
        source(f"{tmp_path}/x/a-{{0..999999999}}.tar")


def test_the_index_is_kept_until_the_shard_changes(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.tar", labelled(0, 3))
    first = source(path)
    monkeypatch.setattr("preimage.data.sources.tar_index.make_index", lambda *_: pytest.fail("made again"))
    again = source(path)
    assert (again.signature, again.pieces, again.contents) == (first.signature, first.pieces, first.contents)
    monkeypatch.undo()
    monkeypatch.setenv("PREIMAGE_CACHE", str(tmp_path / "cache"))
    pack(path, labelled(5, 2))
    assert len(source(path)) == 2


def test_a_copy_has_the_same_listing_and_another_state(tmp_path):
    one = pack(tmp_path / "a" / "0.tar", labelled(0, 3))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "0.tar").write_bytes(one.read_bytes())
    first, copy = source(tmp_path / "a"), source(tmp_path / "b")
    assert first.signature.listing == copy.signature.listing
    assert first.signature.state != copy.signature.state
    assert first.piece_state(0) != copy.piece_state(0)
    pack(
        tmp_path / "b" / "0.tar",
        [(name, b"9" if name == "0000.cls" else data) for name, data in labelled(0, 3)],
    )
    assert source(tmp_path / "b").signature.listing != first.signature.listing


def test_prepared_shards_have_their_pixels_and_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_index, "PIECE", 3)
    pack(tmp_path / "a" / "0.tar", [*labelled(0, 4), ("9999.json", b"{}")])
    pack(tmp_path / "a" / "1.tar", labelled(4, 4))
    config = DataConfig(source="webdataset", path=f"{tmp_path}/a/{{0..1}}.tar", size=8, channels=1)
    dataset = prepare(config, Folder.at(tmp_path), backend="local")
    rows = dataset.read(0, 8)
    assert sorted(rows.image_id.tolist()) == list(range(8))
    assert rows.pixels[:, 0, 0, 0].tolist() == rows.labels.tolist() == rows.image_id.tolist()
    assert [each["count"] for each in dataset.manifest["left_out"]] == [1]


def zeros(data: bytes) -> bytes:
    return data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:1550], "ends within a member"),
        (zeros, "no end marker"),
        (lambda data: b"", "is not a .tar"),
        (lambda data: bytes(10_240), "holds no images of split train .its .tar files are empty"),
        (lambda data: b"\x1f\x8b" + data, "is compressed, so no part can be read alone: gunzip it first"),
        (lambda data: b"x" * 2000, "is not a .tar"),
        (lambda data: data + data, "has more after its end marker"),
    ],
)  # fmt: skip
def test_a_damaged_shard_is_refused_before_anything_starts(tmp_path, change, message):
    path = pack(tmp_path / "a.tar", labelled(0, 3))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        source(path)


@pytest.mark.parametrize(
    ("members", "options", "message"),
    [
        ([("1.png", b""), ("1.png", b"")], {}, r"has 1\.png twice"),
        ([("1.png", b""), ("2.png", b""), ("1.png", b"")], {}, r"has 1\.png twice"),
        ([("1.cls", b"3")], {}, "holds no images of split train .1 samples without an image"),
        ([("1.png", b""), ("1.json", b"{")], {}, r"1\.json is not JSON"),
        ([("1.png", b""), ("1.json", b"[]")], {}, r"1\.json is no object"),
        ([("1.png", b""), ("1.cls", b"x" * 1001)], {}, "too long for a label"),
        ([("1.png", b""), ("1.json", b'{"a": [1]}')], {"label_column": "json.a"}, "neither text nor"),
        ([("1.png", b"")], {"split": "test"}, "tell of no split, has no split test"),
        ([(f"{i}.{part}", b"") for i in range(1002) for part in ("jpg", f"v{i}")], {}, "over 1,000 suffixes"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused(tmp_path, members, options, message):
    with pytest.raises(DataError, match=message):
        source(pack(tmp_path / "a.tar", members), **options)


def test_a_missing_path_and_a_folder_without_shards(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"holds no \.tar files, but 1 of suffix \.gz; unpack"):
        source(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        source(tmp_path / "absent")


def test_a_shard_that_changed_since_it_was_opened(tmp_path):
    path = pack(tmp_path / "a.tar", labelled(0, 5))
    found = source(path)
    pack(path, labelled(0, 2))
    with pytest.raises(DataError, match="changed while it was read|damaged"):
        everything(found)


names = st.builds(
    lambda folder, key, suffix: f"{folder}{key}{suffix}",
    st.sampled_from(["", "./", "a.b/", "é/" * 60, "f" * 90 + "/" + "g" * 90 + "/"]),
    st.sampled_from(["1", "2", "ü", "k" * 120, ".hidden"]),
    st.sampled_from([".png", ".PNG", ".jpg", ".cls", ".seg.png", ".x.cls", ".txt", ""]),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(names, st.integers(0, 1100)), min_size=1, max_size=12, unique_by=lambda member: member[0]
    ),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_members_are_those_that_tarfile_finds(tmp_path_factory, members, form):
    path = tmp_path_factory.mktemp("tar") / "a.tar"
    data = [(name, bytes([i + 1]) * size) for i, (name, size) in enumerate(members)]
    try:
        pack(path, data, form, pax_headers={"comment": "global"})
    except ValueError:
        return  # ustar has no such long names
    with tarfile.open(path) as archive:
        expected = [(each.name, each.offset_data, each.size) for each in archive if each.isreg()]
    with tar_index.open_tar(Folder.at(path.parent), path.name, 700) as tar:
        found = list(tar.members())
        assert [(each.name, each.offset, each.size) for each in found] == expected
        assert [tar.read(each.offset, each.size) for each in found] == [content for _, content in data]
