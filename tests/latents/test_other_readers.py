"""A store is read by the tools of the field without us."""

import json

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def parts(store):
    return [str(store.folder.local / part.file) for part in store.manifest.parts]


@pytest.fixture
def expected(make_codes):
    return make_codes(list(range(10))).z.numpy()


def test_pyarrow(store, parts, expected):
    table = pyarrow.dataset.dataset(parts).to_table()
    assert table.schema.field("z").type == pa.list_(pa.field("element", pa.float32(), nullable=False), 3)
    assert np.array_equal(table["z"].combine_chunks().flatten().to_numpy().reshape(-1, 3), expected)
    folder = pyarrow.dataset.dataset(str(store.folder.local), exclude_invalid_files=True)
    assert folder.count_rows() == 10


def test_duckdb(store, expected):
    query = f"select z, loss from '{store.folder.local}/*.parquet' order by image_id"
    rows = duckdb.connect().execute(query).fetchall()
    assert np.array_equal(np.array([row[0] for row in rows], np.float32), expected)
    few = (
        duckdb.connect()
        .execute(f"select count(*) from '{store.folder.local}/*.parquet' where loss > 0.5")
        .fetchall()
    )
    assert few == [(2,)]


def test_polars(store, expected):
    frame = polars.scan_parquet(f"{store.folder.local}/*.parquet").sort("image_id").collect()
    assert np.array_equal(np.array(frame["z"].to_list(), np.float32), expected)
    assert frame["converged"].sum() == sum(image % 3 > 0 for image in range(10))


def test_pandas(parts, expected):
    pandas = pytest.importorskip("pandas")
    frame = pandas.concat([pandas.read_parquet(part) for part in parts])
    assert np.array_equal(np.stack(frame["z"].to_list()), expected)


def test_the_metadata_names_generator_dataset_solver_and_format(parts):
    about = json.loads(pq.read_schema(parts[0]).metadata[b"preimage"])
    assert about["generator"] == {"fingerprint": "gen"}
    assert about["dataset"] == {"fingerprint": "data", "count": 100, "available": None}
    assert about["solver"]["lr"] == 0.1
    assert about["format"] == 1


def test_averages_pass_over_images_that_diverged(diverged, make_codes):
    whole = f"{diverged.folder.local}/*.parquet"
    kept = make_codes([0, 1, 2, 4, 5, 6, 7, 9]).loss.mean().item()
    query = f"select avg(loss), count(*), count(loss) from '{whole}'"
    assert duckdb.connect().execute(query).fetchone() == (pytest.approx(kept), 10, 8)
    assert polars.scan_parquet(whole).collect()["loss"].mean() == pytest.approx(kept)
    pandas = pytest.importorskip("pandas")
    frame = pandas.concat([pandas.read_parquet(part) for part in diverged.folder.local.glob("*.parquet")])
    assert frame["loss"].mean() == pytest.approx(kept)
