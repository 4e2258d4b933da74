"""Selections that are saved and read again."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preimage.browsing.selections import read_selection, save_selection, selection_bytes
from preimage.errors import StorageError


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(rows=st.lists(st.integers(0, 58), min_size=1))
def test_a_selection_is_read_as_it_was_saved_each_id_once(subject, folder, rows):
    ids = subject.rows.ids[rows]
    folder.remove("chosen.parquet")
    assert save_selection(subject, ids, folder, "chosen") == (folder / "chosen.parquet").uri
    assert read_selection(folder / "chosen.parquet").tolist() == sorted(set(ids.tolist()))


def test_it_has_the_images_names_in_the_order_chosen(subject):
    ids = subject.rows.ids[[5, 2, 5, 9]]
    table = pq.read_table(io.BytesIO(selection_bytes(subject, ids)))
    assert table["image_id"].to_pylist() == ids[[0, 1, 3]].tolist()
    assert table["name"].to_pylist() == subject.pixels.names(ids[[0, 1, 3]])
    assert table.schema.metadata[b"preimage.store"].decode() == subject.fingerprint


@pytest.mark.parametrize("name", ["../out", "", ".parquet", "a/b", "a\0b"])
def test_a_name_that_would_leave_the_folder_is_refused(subject, folder, name):
    with pytest.raises(StorageError, match="cannot name a selection"):
        save_selection(subject, subject.rows.ids[:1], folder, name)


def test_none_is_overwritten(subject, folder):
    save_selection(subject, subject.rows.ids[:1], folder, "my 3s")
    with pytest.raises(StorageError, match="is there already"):
        save_selection(subject, subject.rows.ids[:2], folder, "my 3s.parquet")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"name": ["a"]}), "is no selection"),
        (pa.table({"image_id": ["a"]}), "is no selection"),
        (pa.table({"image_id": pa.array([], pa.int64())}), "names no image"),
        (pa.table({"image_id": [1, None]}), "without an image_id"),
    ],
)
def test_what_is_no_selection_is_refused(folder, table, message):
    with folder.writing("other.parquet") as stream:
        pq.write_table(table, stream)
    with pytest.raises(StorageError, match=message):
        read_selection(folder / "other.parquet")
    with pytest.raises(StorageError, match="there is no selection"):
        read_selection(folder / "nothing.parquet")


def test_any_order_and_other_columns_do(folder):
    with folder.writing("other.parquet") as stream:
        pq.write_table(pa.table({"image_id": np.array([7, 3, 7], np.int32), "x": [1, 2, 3]}), stream)
    assert read_selection(folder / "other.parquet").tolist() == [3, 7]
