"""images.parquet: rows by id, and ids by what their columns hold."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preimage.data.images_table import read_rows, select_ids
from preimage.data.preparing.images_writer import IMAGES
from preimage.errors import DataError

CLASSES = ("zero", "one", "two")


@pytest.fixture
def images(folder):
    """Five images in row groups of two."""
    days = [datetime.date(2020, 1, 1 + i) for i in range(5)]
    table = pa.table(
        {
            "image_id": pa.array([0, 2, 5, 7, 8], pa.int64()),
            "name": ["a.png", "b.png", "c.png", "d.png", "e.png"],
            "label": pa.array([0, 1, 1, 2, -1], pa.int32()),
            "smiling": pa.array([1, 0, None, 1, 0], pa.int8()),
            "score": pa.array([0.1, 0.2, 0.3, None, 0.5], pa.float32()),
            "indoor": [True, False, None, True, True],
            "taken": days,
            "scene": pa.array(["x", "y", "x", None, "z"]).dictionary_encode(),
            "boxes": [[1]] * 5,
        }
    )
    pq.write_table(table, f"{folder.path}/{IMAGES}", row_group_size=2)
    return folder


def test_rows_come_in_the_order_of_the_ids(images):
    found = read_rows(images, [7, 0, 7], ["name", "label"])
    assert found.to_pydict() == {
        "image_id": [7, 0, 7],
        "name": ["d.png", "a.png", "d.png"],
        "label": [2, 0, 2],
    }
    assert read_rows(images, [8]).to_pylist()[0]["taken"] == datetime.date(2020, 1, 5)
    assert read_rows(images, [], ["name"]).schema.names == ["image_id", "name"]


def test_only_the_row_groups_that_hold_the_ids_are_read(images, monkeypatch):
    read, groups = pq.ParquetFile.read_row_group, []
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, i, *args: groups.append(i) or read(self, i, *args)
    )
    read_rows(images, [7, 8])
    assert groups == [1, 2]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("smiling = 1", [0, 7]),
        ("not smiling = 1", [2, 8]),
        ("smiling in (1, 99999) or taken >= '2020-01-05'", [0, 7, 8]),
        ("score = 0.1", [0]),
        ("indoor = 1", [0, 7, 8]),
        ("indoor = 'false'", [2]),
        ("scene in ('y', 'z')", [2, 8]),
        ("label in ('zero', 'two')", [0, 7]),
        ("label != 'one' and label >= 0", [0, 7]),
        ("image_id > 4 and name < 'd'", [5]),
    ],
)
def test_ids_are_chosen_by_columns(images, where, ids):
    assert select_ids(images, where, None, CLASSES).tolist() == ids
    assert select_ids(images, where, 1, CLASSES).tolist() == ids[:1]


def test_a_selection_over_several_batches_is_whole(images, monkeypatch):
    monkeypatch.setattr("preimage.data.images_table.BATCH", 2)
    assert select_ids(images, "label >= 0").tolist() == [0, 2, 5, 7]
    assert select_ids(images, "label >= 0", 3).dtype == np.int64
    assert select_ids(images, "label >= 0", 3).tolist() == [0, 2, 5]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("smilng = 1", r"no column 'smilng' \(did you mean 'smiling'\?\): they have image_id, name, label,"),
        ("xyz = 1", "no column 'xyz': they have image_id"),
        ("name = 3", "name holds string, which does not compare with 3: write a text in 'single quotes'"),
        ("smiling = 'yes'", "smiling holds int8, which does not compare with 'yes'"),
        ("indoor = 2", "indoor holds bool, which does not compare with 2"),
        ("smiling = 1" + "0" * 30, "does not compare with 1000"),
        ("taken > 3", "taken holds date32"),
        ("boxes = 1", "boxes holds list"),
        ("label = 'three'", "no class 'three'; its classes are zero, one, two"),
        ("label < 'two'", "a class is compared with =, != or in"),
        ("name = 'f.png'", "no image of .* fulfils where: name = 'f.png'"),
        ("name ==", "where: expected =, !="),
    ],
)
def test_conditions_that_do_not_fit_the_images_are_refused(images, where, message):
    with pytest.raises(DataError, match=message):
        select_ids(images, where, None, CLASSES)


def test_images_columns_and_files_that_are_not_there_are_named(images):
    with pytest.raises(DataError, match="has no image 1, 99: choose"):
        read_rows(images, [0, 99, 1])
    with pytest.raises(DataError, match="no column 'nme' .*did you mean 'name'"):
        read_rows(images, [0], ["nme"])
    with pytest.raises(DataError, match=r"images.parquet cannot be read .* prepare again"):
        read_rows(images / "elsewhere", [0])
    data = images.read(IMAGES)
    images.write(IMAGES, data[: len(data) // 2])
    with pytest.raises(DataError, match=r"images.parquet cannot be read"):
        select_ids(images, "smiling = 1")
