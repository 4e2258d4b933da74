"""A latent store as one file for other tools, which read what was written."""

import io

import duckdb
import numpy as np
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from preimage import export_store, import_store
from preimage.data.images_table import read_rows
from preimage.errors import PreimageError, StoreError
from preimage.inversion.dataset import dataset_info
from preimage.latents.schema import About, Codes, GeneratorInfo
from preimage.latents.store import StoreWriter
from preimage.storage.folder import Folder

DIM = 3


@pytest.fixture(scope="module")
def store(digits, tmp_path_factory):
    """Codes of 30 digits, in another order than the dataset's; the first search diverged."""
    folder = Folder.at(tmp_path_factory.mktemp("exported") / "store")
    images = digits.read(20, 50)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    about = About(
        generator=GeneratorInfo(fingerprint="gen"),
        dataset=dataset_info(digits),
        latent_dim=DIM,
        prior="normal",
    )
    z = torch.randn(30, DIM, generator=torch.Generator().manual_seed(1))
    loss, steps = torch.linspace(0.1, 1, 30), torch.arange(30, dtype=torch.int32)
    loss[0] = torch.nan
    codes = Codes(images.image_id[order], images.labels[order], z, loss, steps, steps % 2, steps > 9)
    writer = StoreWriter(folder, about, parts=1, count=30)
    writer.write(0, codes)
    return writer.finish()


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "codes.parquet"
    assert export_store(store, path, images=True).notes == ()
    return path


def test_the_columns_are_those_that_tools_expect(store, exported, digits):
    table, codes = pq.read_table(exported), store.head(30)
    search = ["loss", "steps", "restart", "converged"]
    assert table.schema.names == ["image_id", "name", "label", "class", "z", *search, "image"]
    known = read_rows(digits.folder, codes.image_id.tolist(), ("name", "label"))
    assert table["name"].to_pylist() == known["name"].to_pylist()
    assert table["class"].to_pylist() == [digits.classes[each] for each in known["label"].to_pylist()]
    assert table["loss"].null_count == 1
    assert table["steps"].to_pylist() == codes.steps.tolist()


def test_each_image_is_its_own(store, exported, digits):
    pixels = {int(i): each for i, each in zip(*digits.read(0, 200)[:2], strict=True)}
    for row in pq.read_table(exported, columns=["image_id", "name", "image"]).to_pylist():
        shades = np.array(Image.open(io.BytesIO(row["image"]["bytes"])))
        assert np.array_equal(shades, pixels[row["image_id"]][0])
        assert row["image"]["path"] == row["name"]


def test_pandas_polars_and_duckdb_read_it(store, exported):
    z, ids = store.head(30).z.numpy(), store.head(30).image_id.tolist()
    frame = pandas.read_parquet(exported)
    assert np.array_equal(np.stack(frame["z"].to_list()), z)
    assert frame["image_id"].to_list() == ids
    lazy = polars.read_parquet(exported)
    assert lazy.schema["z"] == polars.Array(polars.Float32, DIM)
    assert np.array_equal(lazy["z"].to_numpy(), z)
    query = "select image_id, list_distance(z, $1::float[]) as far from read_parquet($2) order by far limit 1"
    assert duckdb.execute(query, [z[4].tolist(), str(exported)]).fetchall() == [(ids[4], 0.0)]


def test_duckdbs_array_functions_need_no_cast_in_its_own_file(store, tmp_path):
    ids = store.head(30).image_id.tolist()
    export_store(store, tmp_path / "codes.duckdb")
    with duckdb.connect(tmp_path / "codes.duckdb", read_only=True) as database:
        assert database.execute("select distinct typeof(z) from codes").fetchall() == [(f"FLOAT[{DIM}]",)]
        query = """select b.image_id, array_cosine_similarity(a.z, b.z), array_distance(a.z, b.z)
                   from codes a, codes b where a.image_id = ? order by 3 limit 1"""
        (near,) = database.execute(query, [ids[4]]).fetchall()
    assert near == (ids[4], pytest.approx(1.0), 0.0)


def test_duckdbs_array_functions_need_no_cast_on_arrow(exported):
    codes = pq.read_table(exported)  # noqa: F841  (DuckDB finds it by its name)
    assert duckdb.sql("select sum(array_distance(z, z)) from codes").fetchall() == [(0.0,)]


def test_a_file_is_overwritten_only_if_asked(store, tmp_path):
    (tmp_path / "codes.parquet").write_text("mine")
    with pytest.raises(StoreError, match=r"is there already: give another file, or --force"):
        export_store(store, tmp_path / "codes.parquet")
    assert (tmp_path / "codes.parquet").read_text() == "mine"
    export_store(store, tmp_path / "codes.parquet", overwrite=True)
    assert pq.read_metadata(tmp_path / "codes.parquet").num_rows == 30


@pytest.fixture
def imported(tmp_path):
    np.save(tmp_path / "z.npy", np.eye(4, DIM))
    return import_store(tmp_path / "z.npy", output=tmp_path / "store").store


def test_what_is_not_known_is_left_out_and_said(imported, tmp_path):
    found = export_store(imported, tmp_path / "codes.parquet")
    assert found.columns == ("image_id", "label", "z")
    assert "no names of images" in found.notes[0]
    with pytest.raises(PreimageError, match="does not say where its images are prepared"):
        export_store(imported, tmp_path / "images.parquet", images=True)
    assert not (tmp_path / "images.parquet").exists()


ids = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20, unique=True)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=ids, labels=st.sampled_from(["numbers", "texts"]), seed=st.integers(0, 99))
def test_what_is_exported_and_imported_again_is_the_same(tmp_path_factory, ids, labels, seed):
    place, random = tmp_path_factory.mktemp("round"), np.random.default_rng(seed)
    frame = pandas.DataFrame({"id": ids, "z": list(random.standard_normal((len(ids), 2)))})
    names = np.array(["x", "y", None], object)
    frame["y"] = (
        random.integers(-1, 3, len(ids)) if labels == "numbers" else names[random.integers(0, 3, len(ids))]
    )
    if labels == "texts" and not frame["y"].notna().to_numpy().any():
        frame["y"] = "x"
    frame.to_parquet(place / "a.parquet")
    first = import_store(place / "a.parquet", id="id", label="y", output=place / "a").store
    export_store(first, place / "b.parquet")
    label = "class" if labels == "texts" else "label"
    second = import_store(
        place / "b.parquet", column="z", id="image_id", label=label, output=place / "b"
    ).store
    one, other = first.head(len(ids)), second.head(len(ids))
    assert one.image_id.tolist() == ids
    for name in ("image_id", "label", "z"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert first.about.classes == second.about.classes


def test_a_selection_alone_is_exported(store, tmp_path):
    chosen = store.head(30).image_id[[25, 3, 11]]
    pq.write_table(pa.table({"image_id": chosen.numpy()}), tmp_path / "chosen.parquet")
    found = export_store(store, tmp_path / "codes.parquet", only=tmp_path / "chosen.parquet")
    assert found.rows == 3
    table = pq.read_table(tmp_path / "codes.parquet")
    assert table["image_id"].to_pylist() == store.head(30).image_id[[3, 11, 25]].tolist()
    assert np.array_equal(np.stack(table["z"].to_numpy()), store.head(30).z[[3, 11, 25]].numpy())

    pq.write_table(pa.table({"image_id": [999]}), tmp_path / "other.parquet")
    with pytest.raises(StoreError, match="selects 1 images that are not in .*, among them 999"):
        export_store(store, tmp_path / "more.parquet", only=tmp_path / "other.parquet")
    assert not (tmp_path / "more.parquet").exists()
