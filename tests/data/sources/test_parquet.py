"""Parquet as Hugging Face writes it: every row once, in order, with its label, or one message."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.parquets import hf_table, metadata, rows, write
from preimage.data.config import DataConfig
from preimage.data.decoding.decode import to_pixels
from preimage.data.preparing.prepare import prepare
from preimage.data.sources import parquet as parquet_images
from preimage.data.sources.base import LeftOut, Row
from preimage.data.sources.parquet import ParquetSource
from preimage.errors import DataError
from preimage.storage.folder import Folder


def opened(path, **keys) -> ParquetSource:
    return ParquetSource(DataConfig(source="parquet", path=str(path), **keys))


def test_what_hugging_face_writes(tmp_path, make_png):
    """{bytes, path}, class names from the metadata, null labels and images, further columns."""
    images = [make_png(0), (make_png(1), "cats/1.png"), None, (None, "gone.png")]
    table = hf_table(images, [1, 0, None, 1], ("cat", "dog"), age=[3, 4, 5, None], tags=[["a"], [], [], []])
    source = opened(write(tmp_path / "animals.parquet", table))
    assert source.classes == ["cat", "dog"]
    assert source.columns == pa.schema({"age": pa.int64()})
    assert source.contents.class_counts == (1, 2)
    assert source.contents.left_out == (LeftOut("columns of type list<element: string>", 1, ("tags",)),)
    found = rows(source)
    assert [each.row for each in found] == [
        Row("animals.parquet#0", 1, {"age": 3}),
        Row("cats/1.png", 0, {"age": 4}),
        Row("animals.parquet#2", -1, {"age": 5}),
        Row("gone.png", 1, {"age": None}),
    ]
    assert [each.content for each in found] == [make_png(0), make_png(1), None, None]
    assert [each.error for each in found] == [
        "", "", "the row holds no image", "the file holds only its path, gone.png",
    ]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    files=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=4),
    piece=st.integers(1, 40),
)
def test_the_pieces_are_all_rows_in_order_whatever_the_row_groups(tmp_path_factory, files, piece):
    root = tmp_path_factory.mktemp("rows")
    expected = []
    for number, (count, group) in enumerate(files):
        images = [f"{number}/{row}".encode() for row in range(count)]
        write(
            root / f"{number}.parquet",
            hf_table(images, pa.array([row % 3 for row in range(count)], pa.int64())),
            group,
        )
        expected += [(image, row % 3, f"{number}.parquet#{row}") for row, image in enumerate(images)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_images, "PIECE", piece)
        patch.setattr(parquet_images, "_BATCH", 5)
        if not expected:
            with pytest.raises(DataError, match="holds no rows"):
                opened(root)
            return
        source = opened(root)
    largest = max(group for _, group in files)
    assert all(0 < size <= max(piece, largest) for size in source.pieces)
    assert len(source) == len(expected)
    for index, size in enumerate(source.pieces):
        assert len(list(source.read(index))) == size
    assert [(each.content, each.row.label, each.row.name) for each in rows(source)] == expected


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_images_of_plain_bytes(tmp_path, kind):
    table = pa.table({"id": [7, 8], "picture": pa.array([b"x", b"y"], kind)})
    found = rows(opened(write(tmp_path / "a.parquet", table)))
    assert [(each.content, each.row) for each in found] == [
        (b"x", Row("a.parquet#0", -1, {"id": 7})),
        (b"y", Row("a.parquet#1", -1, {"id": 8})),
    ]


@pytest.mark.parametrize(
    ("values", "classes", "labels"),
    [
        (["cow", "ant", "", None, "cow"], ["ant", "cow"], [1, 0, -1, -1, 1]),
        ([2, 0, 1, -1, None], ["0", "1", "2"], [2, 0, 1, -1, -1]),
        ([30, 4, 30, 4, 30], ["4", "30"], [1, 0, 1, 0, 1]),
        ([-1, 1, 1, None, -1], ["-1", "1"], [0, 1, 1, -1, 0]),
        ([True, False, True, True, None], ["False", "True"], [1, 0, 1, 1, -1]),
        ([-1, -1, -1, -1, -1], [], [-1] * 5),
        (["10", "9", "", "10", "9"], ["9", "10"], [1, 0, -1, 1, 0]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_labels_without_names_are_the_values_that_occur(tmp_path, values, classes, labels, packed):
    column = pa.array(values)
    column = column.dictionary_encode() if packed else column
    table = pa.table({"image": [b"x"] * 5, "label": column})
    source = opened(write(tmp_path / "a.parquet", table, 2))
    assert source.classes == classes
    assert [each.row.label for each in rows(source)] == labels
    assert source.contents.class_counts == tuple(
        np.bincount([x for x in labels if x >= 0], minlength=len(classes))
    )


def test_a_label_means_the_same_in_each_split(tmp_path):
    write(tmp_path / "train-00000-of-00001.parquet", hf_table([b"a", b"b"], ["bee", "cow"]))
    write(tmp_path / "test-00000-of-00001.parquet", hf_table([b"c", b"d"], ["ant", "cow"]))
    for split, labels in (("train", [1, 2]), ("test", [0, 2])):
        source = opened(tmp_path, split=split)
        assert source.classes == ["ant", "bee", "cow"]
        assert [each.row.label for each in rows(source)] == labels


def test_a_test_split_need_not_have_labels(tmp_path):
    write(tmp_path / "train.parquet", hf_table([b"a"], ["cow"]))
    write(tmp_path / "test.parquet", hf_table([b"b"]))
    assert opened(tmp_path).classes == ["cow"]
    assert opened(tmp_path, split="test").classes == []


LAYOUTS = {
    "numbered": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet",
                 "data/validation-00000-of-00001.parquet"],
    "counted": ["train_0.parquet", "train_1.parquet", "val.0.parquet"],
    "folders": ["Training/0.parquet", "Training/b/1.parquet", "val/0.parquet"],
    "converted": ["default/partial-train/0000.parquet", "default/partial-train/0001.parquet",
                  "default/validation/0000.parquet"],
}  # fmt: skip


@pytest.mark.parametrize("files", LAYOUTS.values(), ids=LAYOUTS)
def test_splits_by_the_names_of_files_and_folders(tmp_path, files):
    for number, name in enumerate(files):
        write(tmp_path / name, hf_table([str(number).encode()] * (number + 1)))
    train, validation = opened(tmp_path), opened(tmp_path, split="valid")
    assert [each.content for each in rows(train)] == [b"0", b"1", b"1"]
    assert [each.content for each in rows(validation)] == [b"2"] * 3
    assert sorted(train.contents.splits.values()) == [3, 3]
    with pytest.raises(DataError, match=r"no split test: set data.split to .*[Tt]rain.* or val"):
        opened(tmp_path, split="test")


def test_a_split_of_any_name(tmp_path):
    write(tmp_path / "extra/0.parquet", hf_table([b"a"]))
    write(tmp_path / "unlabelled-00000-of-00001.parquet", hf_table([b"b"]))
    for split, content in (("extra", b"a"), ("unlabelled", b"b")):
        assert [each.content for each in rows(opened(tmp_path, split=split))] == [content]
    write(tmp_path / "more.parquet", hf_table([b"c"] * 3))
    counts = opened(tmp_path, split="extra").contents.splits
    assert counts == {"extra": 1, "of no split": 3, "unlabelled": 1}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["train-00000-of-00001.parquet", "other.parquet"],
            "has the splits train, and files that belong to none, such as other.parquet",
        ),
        (["test.parquet"], "has no split train: set data.split to test"),
        (["train.parquet", "training.parquet"], None),
        (
            ["a/train-00000-of-00001.parquet", "b/train-00000-of-00001.parquet"],
            "train lies in several folders: set data.path to one of a, b",
        ),
        (["a/train/0.parquet", "b/train/0.parquet"], "train lies in several folders: .* one of a, b"),
        (["readme.md"], "holds no .parquet files, but 1 of suffix .md"),
    ],
)
def test_an_unclear_split_is_refused_with_the_choices(tmp_path, files, message):
    for name in files:
        write(tmp_path / name, hf_table([b"x"]))
    if message is None:  # one of them is called exactly so
        assert len(opened(tmp_path)) == 1
        return
    with pytest.raises(DataError, match=message):
        opened(tmp_path)
    single = tmp_path / "test.parquet"
    if single.exists():
        with pytest.raises(DataError, match="has no split train"):
            opened(single)
        assert len(opened(single, split="test")) == 1


def test_what_is_left_out_is_said(tmp_path):
    write(tmp_path / "train-00000-of-00003.parquet", hf_table([b"x"]))
    for name in ("README.md", ".gitattributes", "LICENSE"):
        (tmp_path / name).write_text("x")
    assert opened(tmp_path).contents.left_out == (
        LeftOut("no suffix", 1, ("LICENSE",)),
        LeftOut("suffix .md", 1, ("README.md",)),
        LeftOut("shards that their names promise and that are not here", 2, ("train",)),
    )


def refused(path, message, **keys):
    with pytest.raises(DataError, match=message):
        opened(path, **keys)


def test_columns_that_do_not_fit(tmp_path):
    table = pa.table({"a": [b"x"], "b": [b"y"], "n": [1.5], "s": ["t"]})
    path = write(tmp_path / "a.parquet", table)
    refused(path, "several columns of images: set data.image_column to one of a, b")
    refused(path, r"no column c: set data.image_column to one of a \(binary\), b", image_column="c")
    refused(path, "column s is of type string; images are", image_column="s")
    refused(path, "column n is of type double; labels are", image_column="a", label_column="n")
    assert opened(path, image_column="b", label_column="s").classes == ["t"]
    refused(write(path, table.select(["n", "s"])), r"no column of images.*n \(double\), s \(string\)")
    refused(write(path, pa.table([[b"x"], [1], [2]], ["i", "a", "a"])), "two columns called a: rename one")
    two = pa.table({"image": [b"x"], "fine": [0], "coarse": [0]}).replace_schema_metadata(
        metadata(fine={"_type": "ClassLabel", "names": ["a"]}, coarse={"_type": "ClassLabel", "names": ["b"]})
    )
    refused(write(path, two), "several columns of labels: set data.label_column to one of fine, coarse")
    assert opened(path, label_column="coarse").classes == ["b"]


def test_files_that_do_not_fit_together(tmp_path):
    write(tmp_path / "a.parquet", hf_table([b"x"], [0], ("cat",)))
    write(tmp_path / "b.parquet", hf_table([b"x"], ["cat"]))
    refused(tmp_path, r"b.parquet has other columns than a.parquet: image .* label \(string\)")
    write(tmp_path / "b.parquet", hf_table([b"x"], [0], ("dog",)))
    refused(tmp_path, "b.parquet has other class names than a.parquet")


def test_wrong_contents_are_refused_before_an_image_is_decoded(tmp_path):
    path = tmp_path / "a.parquet"
    refused(
        write(path, hf_table([b"x"]).replace_schema_metadata({"huggingface": "{"})), "metadata are damaged"
    )
    for table, message in (
        (
            hf_table([b"x"] * 2, [0, 2], ("cat", "dog")),
            "column label holds 2, but its 2 class names are for 0 to 1",
        ),
        (hf_table([b"x"] * 2, [0, -2], ("cat", "dog")), "column label holds -2"),
        (hf_table([(None, "a.png"), (None, "b.png")]), "holds paths of images, but no image: embed"),
    ):
        source = opened(write(path, table))
        with pytest.raises(DataError, match=message):
            print(source.signature, source.contents)
    source = opened(write(path, hf_table([b"x"] * 2, [0, 2], ("a", "b"))))
    with pytest.raises(DataError, match="label holds 2"):
        rows(source)


def test_damaged_files_are_named(tmp_path):
    path = write(
        tmp_path / "a.parquet", hf_table([os.urandom(5000) for _ in range(20)]), write_page_checksum=True
    )
    whole = path.read_bytes()
    for data in (whole[:-100], whole[: len(whole) // 2], b"", b"no Parquet at all"):
        path.write_bytes(data)
        refused(path, r"a.parquet cannot be read .*; copy or download it again")
    path.write_bytes(whole[:500] + bytes(20_000) + whole[20_500:])
    source = opened(path)
    with pytest.raises(DataError, match="a.parquet cannot be read"):
        rows(source)
    refused(tmp_path / "nowhere", "nowhere does not exist")


def test_the_signature_follows_the_content_and_the_state_the_file(tmp_path):
    path = write(tmp_path / "one/a.parquet", hf_table([b"x"], [0]))
    copied = tmp_path / "two/a.parquet"
    copied.parent.mkdir()
    copied.write_bytes(path.read_bytes())
    one, other = opened(path.parent), opened(copied.parent)
    assert one.signature.listing == other.signature.listing
    assert one.signature.state != other.signature.state
    assert one.piece_state(0) != other.piece_state(0)
    assert opened(path.parent).signature == one.signature
    write(path, hf_table([b"x"], [3]))
    assert opened(path.parent).signature.listing != one.signature.listing


def test_a_row_group_of_any_size_is_one_piece(tmp_path):
    table = pa.table({"image": pa.array([b"x"] * 10_000)})
    assert opened(write(tmp_path / "a.parquet", table, 10_000)).pieces == [10_000]
    assert opened(write(tmp_path / "a.parquet", table, 1000)).pieces == [4000, 4000, 2000]


def test_the_footers_are_all_that_opening_reads(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", hf_table([b"x"] * 3, [0, 1, 0], ("a", "b")))
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", None)
    source = opened(path)
    assert (len(source), source.classes) == (3, ["a", "b"])


def test_prepared_as_any_other_source(tmp_path, make_png):
    """Through every step: unpacked, decoded, shuffled, and back to the user's own columns."""
    images = [make_png(seed) for seed in range(7)]
    table = hf_table([*images[:6], None], [0, 1, 0, 1, 0, 1, 1], ("cat", "dog"), age=list(range(7)))
    write(tmp_path / "in/train-00000-of-00001.parquet", table, 3)
    config = DataConfig(source="parquet", path=str(tmp_path / "in"), size=8, on_error="skip")
    dataset = prepare(config, Folder.at(tmp_path / "out"), backend="local")
    assert (dataset.count, dataset.classes, dataset.manifest["class_counts"]) == (6, ["cat", "dog"], [3, 3])
    assert [each["image_id"] for each in dataset.skipped] == [6]
    found = dataset.read(0, 6)
    for image_id, pixels, label in zip(
        found.image_id.tolist(), found.pixels, found.labels.tolist(), strict=True
    ):
        assert np.array_equal(pixels, to_pixels(images[image_id], config))
        assert label == image_id % 2
    rows_of_images = pq.read_table(dataset.folder.local / "images.parquet").sort_by("image_id").to_pydict()
    assert rows_of_images["age"] == list(range(6))
    assert rows_of_images["name"][5] == "train-00000-of-00001.parquet#5"
