"""The map that is kept beside a store."""

from dataclasses import replace

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from browsed import draw, of_codes
from preimage import Store
from preimage.browsing import maps
from preimage.browsing.maps import map_of, usual_method
from preimage.errors import StorageError
from preimage.latents.verify import verify
from preimage.storage.folder import Folder


@pytest.fixture
def made(monkeypatch):
    """What maps were made."""
    calls = []
    project = maps._project

    def counted(*given):
        calls.append(given[1])
        return project(*given)

    monkeypatch.setattr(maps, "_project", counted)
    return calls


def test_a_kept_map_is_read_as_it_was_made(subject, made):
    first = map_of(subject, "tsne")
    second = map_of(subject, "tsne")
    assert made == ["tsne"]
    assert np.array_equal(first.xy, second.xy)
    assert np.array_equal(first.ids, second.ids)
    table = pq.read_table(subject.store.folder.local / "_map" / "map.parquet")
    assert table.schema.names == ["image_id", "x", "y"]
    assert table["image_id"].to_pylist() == subject.rows.ids.tolist()


def test_the_store_is_as_whole_as_before(subject):
    map_of(subject, "tsne")
    folder = subject.store.folder
    assert Store.open(folder).fingerprint == subject.fingerprint
    assert verify(folder).count == subject.store.count
    rows = duckdb.sql(f"select count(*) from '{folder.local}/*.parquet'").fetchall()
    assert rows == [(subject.store.count,)]
    assert pq.read_table(folder.local).num_rows == subject.store.count


def test_another_store_method_or_setting_makes_it_anew(folder, made, monkeypatch):
    one = of_codes(folder / "one", draw(20))
    map_of(one, "tsne")
    for each in ("tsne", "pca", "tsne"):
        map_of(one, each)
    assert made == ["tsne", "pca"]  # that of PCA is not kept, being quick, and replaces none
    monkeypatch.setattr(maps, "SEED", 1)
    map_of(one, "tsne")
    assert made == ["tsne", "pca", "tsne"]
    other = of_codes(folder / "other", draw(20, seed=2))
    (other.store.folder / "_map").write("map.parquet", (one.store.folder / "_map").read("map.parquet"))
    map_of(other, "tsne")
    assert made == ["tsne", "pca", "tsne", "tsne"]


@pytest.mark.parametrize("damage", [b"", b"nonsense"])
def test_a_damaged_map_is_made_anew(subject, made, damage):
    map_of(subject, "tsne")
    (subject.store.folder / "_map").write("map.parquet", damage)
    map_of(subject, "tsne")
    map_of(subject, "tsne")
    assert made == ["tsne", "tsne"]


def test_where_nothing_can_be_written_the_map_is_said_to_be_kept_nowhere(subject, monkeypatch):
    def refused(*_):
        raise StorageError("cannot write there: read-only.")

    monkeypatch.setattr(Folder, "writing", refused)
    found = map_of(subject, "tsne")
    assert len(found.ids) == subject.count
    assert "kept nowhere" in found.notes[-1]
    assert "read-only" in found.notes[-1]


def test_draws_of_a_prior_are_shown_by_pca(folder):
    codes = of_codes(folder, draw(30))
    assert usual_method(codes) == "tsne"
    assert usual_method(replace(codes, store=None, drawn=codes.codes_of(codes.rows.ids))) == "pca"


def test_of_a_large_store_tsne_shows_a_sample_and_pca_all(folder, monkeypatch):
    monkeypatch.setattr(maps, "TSNE_MOST", 10)
    many = of_codes(folder, draw(30))
    assert usual_method(many) == "pca"
    sample, whole = map_of(many, "tsne"), map_of(many, "pca")
    assert "a sample of 10 of the 30 codes" in sample.notes[0]
    assert len(sample.ids) == len(set(sample.ids.tolist())) == 10
    assert set(sample.ids.tolist()) <= set(whole.ids.tolist())
    assert whole.ids.tolist() == list(range(30))
    assert not whole.notes
