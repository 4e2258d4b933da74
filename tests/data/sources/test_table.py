"""A table of file names: every row with its label and columns, or one message."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from preimage.data.config import DataConfig
from preimage.data.decoding.decode import to_pixels
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.base import LeftOut, Row
from preimage.data.sources.table import TableSource
from preimage.errors import DataError
from preimage.storage.folder import Folder


def opened(path, **keys) -> TableSource:
    return TableSource(DataConfig(source="table", path=str(path), **keys))


def rows(source) -> list[Row]:
    return [source.row(index) for index in range(len(source))]


@pytest.fixture
def write(tmp_path, make_png):
    """A table, and the images a.png, b.png and sub/c.png beside it."""
    (tmp_path / "sub").mkdir()
    for seed, name in enumerate(("a.png", "b.png", "sub/c.png")):
        (tmp_path / name).write_bytes(make_png(seed))

    def table(name: str, text: str | pa.Table):
        path = tmp_path / name
        if isinstance(text, pa.Table):
            pq.write_table(text, path)
        else:
            path.write_text(text)
        return path

    return table


COLUMNS = {
    "file_name": ["a.png", "./sub/c.png", "b.png"],
    "label": ["dog", "cat", None],
    "age": [3, 4, 5],
    "weight": [0.5, None, 1.5],
    "tame": [True, False, True],
    "note": ["x", "NA", None],
}
TABLES = {
    "t.csv": "file_name,label,age,weight,tame,note\na.png,dog,3,0.5,true,x\n./sub/c.png,cat,4,,false,NA\n"
    "b.png,,5,1.5,true,\n",
    "t.jsonl": "\n".join(
        json.dumps(dict(zip(COLUMNS, values, strict=True))) for values in zip(*COLUMNS.values(), strict=True)
    ),
    "t.parquet": pa.table(COLUMNS),
}
TABLES |= {"t.tsv": TABLES["t.csv"].replace(",", "\t"), "t.json": TABLES["t.jsonl"]}


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_of_table(write, make_png, name):
    source = opened(write(name, TABLES[name]))
    assert source.classes == ["cat", "dog"]
    assert source.contents.class_counts == (1, 1)
    kinds = {"age": pa.int64(), "weight": pa.float64(), "tame": pa.bool_(), "note": pa.string()}
    assert source.columns == pa.schema(kinds)
    assert rows(source) == [
        Row("a.png", 1, {"age": 3, "weight": 0.5, "tame": True, "note": "x"}),
        Row("sub/c.png", 0, {"age": 4, "weight": None, "tame": False, "note": "NA"}),
        Row("b.png", -1, {"age": 5, "weight": 1.5, "tame": True, "note": None}),
    ]
    assert [source.load(index) for index in range(3)] == [make_png(0), make_png(2), make_png(1)]


def test_names_are_relative_absolute_or_addresses_and_may_have_backslashes(write, tmp_path, make_png):
    names = [f"file://{tmp_path}/a.png", f"{tmp_path}/b.png", "sub\\c.png"]
    source = opened(write("t.csv", "path\n" + "\n".join(names)))
    assert source.signature
    assert [source.load(index) for index in range(3)] == [make_png(0), make_png(1), make_png(2)]


@pytest.mark.parametrize(
    ("header", "row", "chosen"),
    [
        ("image,mask", "a.png,b.png", "image"),  # both are files; one is called so
        ("picture,score", "a.png,1", "picture"),  # by its values
        ("image_id,path", "a,a.png", "path"),  # two are called so; one by its values
        ("Filename", "a.png", "Filename"),
    ],
)
def test_the_column_of_file_names_is_found(write, header, row, chosen):
    source = opened(write("t.csv", f"{header}\n{row}\n"))
    assert source.row(0).name == "a.png"
    assert chosen not in source.columns.names


def test_names_that_look_like_numbers_stay_text(write, tmp_path):
    (tmp_path / "000123").write_bytes(b"x")
    for header, keys in (("image_id", {}), ("number", {"image_column": "number"})):
        source = opened(write("t.csv", f"{header},label\n000123,7\n"), **keys)
        assert source.row(0) == Row("000123", 0)
        assert source.classes == ["7"]
        assert source.signature


def test_a_column_of_splits(write):
    path = write("t.csv", "file,split,label\na.png,train,cat\nb.png,valid,dog\nsub/c.png,,dog\n")
    train, validation = opened(path), opened(path, split="validation")
    assert rows(train) == [Row("a.png", 0)]
    assert rows(validation) == [Row("b.png", 1)]
    assert train.contents.splits == {"train": 1, "valid": 1}
    assert train.contents.left_out == (LeftOut("rows without a split", 1),)
    with pytest.raises(DataError, match="has no split test: set data.split to train or valid"):
        opened(path, split="test")


def test_without_one_all_rows_are_of_the_split_that_the_table_is_called(write):
    assert len(opened(write("list.csv", "file\na.png\nb.png\n"))) == 2
    with pytest.raises(DataError, match="no column called split, has no split test: set data.split to train"):
        opened(write("list.csv", "file\na.png\n"), split="test")
    path = write("test.csv", "file\na.png\n")
    with pytest.raises(DataError, match="has no split train: set data.split to test"):
        opened(path)
    assert len(opened(path, split="test")) == 1


def refused(path, message, **keys):
    with pytest.raises(DataError, match=message) as caught:
        assert opened(path, **keys).signature
    return str(caught.value)


def test_missing_files_are_counted_and_twenty_named(write, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    names = ["a.png", "pipe.png", "sub", *(f"gone/{number:02}.png" for number in range(30))]
    text = refused(write("t.csv", "file\n" + "\n".join(names)), "32 of 33 files that .* names are missing")
    assert [line.strip() for line in text.splitlines()[1:22]] == [*names[1:21], "and 12 more"]


def test_missing_files_can_be_skipped(write, tmp_path):
    path = write("t.csv", "file,label\na.png,x\ngone.png,y\nb.png,y\n")
    config = DataConfig(source="table", path=str(path), size=8, on_error="skip")
    assert TableSource(config).contents.notes == ("1 of 3 files are missing: they are skipped",)
    dataset = prepare(config, Folder.at(tmp_path / "datasets"), backend="local")
    assert sorted(dataset.read(0, 2).image_id.tolist()) == [0, 2]
    assert [image["name"] for image in dataset.skipped] == ["gone.png"]
    with pytest.raises(DataError, match="1 of 3 files"):  # the same files and settings, but to stop
        prepare(config.model_copy(update={"on_error": "stop"}), Folder.at(tmp_path / "datasets"))
    (tmp_path / "gone.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert len(prepare(config, Folder.at(tmp_path / "datasets"), backend="local")) == 3


@pytest.mark.parametrize("name", ["Class", "labels", "category_id"])
def test_a_column_that_may_hold_labels_is_named(write, name):
    path = write("t.csv", f"file,{name},label_score\na.png,1,0.5\nb.png,0,0.5\n")
    (note,) = opened(path).contents.notes
    assert note.endswith(f"set data.label_column={name}")
    source = opened(path, label_column=name)
    assert (source.classes, source.contents.notes) == (["0", "1"], ())


@pytest.mark.parametrize(("name", "mark"), [("t.csv", ";"), ("t.csv", "\t"), ("t.tsv", ","), ("t.tsv", ";")])
def test_columns_separated_otherwise_are_told(write, name, mark):
    refused(write(name, f"file{mark}label\na.png{mark}1\n"), "its columns are separated by")


def test_an_image_of_two_rows_is_named(write):
    path = write("t.csv", "file,label\na.png,1\nb.png,0\n./a.png,0\n")
    assert "  a.png\n" in refused(path, "names 1 images more than once")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "", "cannot be read"),
        ("t.csv", "file\n", "has no rows"),
        ("t.csv", "file,label\na.png\n", "cannot be read"),
        ("t.csv", "file,label\na.png,\xff\n".encode("latin-1"), "column label is not UTF-8; save"),
        ("t.csv", "file,file\na.png,b.png\n", "two columns called file: rename one"),
        ("t.csv", "file,path\na,b\n", "several columns of file names, file, path: set data.image_column"),
        ("t.csv", "n,m\n1,2\n", r"no column of file names: set data.image_column to one of n \(int64\), m"),
        ("t.csv", "a.png,cat\nb.png,dog\n", "its first line must name the columns, but holds a.png"),
        ("t.csv", 'file,label\na.png,1\n"",2\n', "1 rows name no file"),
        ("t.jsonl", '{"file": "a.png"}\n{"file": ', "cannot be read"),
        ("t.jsonl", '[{"file": "a.png"}]', "cannot be read"),
        ("t.parquet", "no Parquet", "cannot be read"),
        ("t.txt", "a.png 1", "is not a table: give a file that ends in .csv, .tsv"),
    ],
)
def test_a_table_that_cannot_be_used(write, tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(path, message)


def test_columns_that_do_not_fit(write):
    path = write("t.csv", "file,label,x\na.png,1.5,2\n")
    refused(path, "no column y: set data.label_column to one of file", label_column="y")
    refused(path, "column label is of type double; labels are", label_column="label")
    refused(path, "cannot hold both", label_column="file")
    source = opened(path)
    assert (source.classes, source.columns.names) == ([], ["x"])
    assert source.contents.left_out == (
        LeftOut("columns whose names images.parquet takes for itself", 1, ("label",)),
    )
    refused(path.parent, "is not a table")
    refused(path.parent / "none.csv", "none.csv does not exist")


def test_the_signature_follows_the_content_and_the_state_the_files(write, tmp_path):
    path = write("t.csv", "file,label\na.png,1\nb.png,0\n")
    first = opened(path)
    assert first.signature == opened(path).signature
    fresh = opened(path)
    assert fresh.state([1]) == first.state([1]) != first.state([0])
    os.utime(tmp_path / "b.png", ns=(1, 1))
    touched = opened(path)
    assert touched.signature.listing == first.signature.listing
    assert touched.signature.state != first.signature.state
    assert touched.state([0]) == first.state([0])
    assert touched.state([1]) != first.state([1])
    write("t.csv", "file,label\na.png,1\nb.png,1\n")
    assert opened(path).signature.listing != first.signature.listing


def test_prepared_as_any_other_source(write, tmp_path, make_png):
    path = write("t.csv", "file,label,smiling\na.png,cat,true\nb.png,dog,false\nsub/c.png,cat,\n")
    config = DataConfig(source="table", path=str(path), size=8)
    dataset = prepare(config, Folder.at(tmp_path / "out"), backend="local")
    found = dataset.read(0, 3)
    for image_id, pixels in zip(found.image_id.tolist(), found.pixels, strict=True):
        assert np.array_equal(pixels, to_pixels(make_png(image_id), config))
    images = pq.read_table(dataset.folder.local / "images.parquet").sort_by("image_id").to_pydict()
    assert images["name"] == ["a.png", "b.png", "sub/c.png"]
    assert images["label"] == [0, 1, 0]
    assert images["smiling"] == [True, False, None]


@pytest.mark.parametrize(
    ("source", "keys", "message"),
    [
        (
            "folder",
            {"image_column": "x"},
            "folder has no columns: remove data.image_column",
        ),
        ("digits", {"label_column": "x"}, "digits has no columns: remove data.label_column"),
        ("table", {"category": "bedroom"}, "table has no categories, which are LSUN's scenes"),
        ("table", {"class_level": 2}, "table has no folders of classes: remove data.class_level"),
        ("digits", {"class_level": 0}, "digits has no folders of classes"),
    ],
)
def test_keys_of_other_sources_are_refused(source, keys, message):
    with pytest.raises(ValidationError, match=message):
        DataConfig(source=source, **keys)
