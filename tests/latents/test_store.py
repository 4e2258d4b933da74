"""Writing, resuming, opening and reading a store."""

import json
import pickle
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preimage._version import __version__
from preimage.errors import StoreError
from preimage.latents.schema import COLUMNS, concatenate
from preimage.latents.store import Store, StoreWriter
from preimage.latents.verify import verify


def all_of(store, **options):
    return concatenate(list(store.batches(**options)))


def finish(writer, split, make_codes):
    """What a second run does: write what is not done, then finish."""
    for index in set(range(len(split))) - writer.done():
        writer.write(index, make_codes(split[index]))
    return writer.finish()


def test_what_is_written_is_read(store, make_codes):
    read, written = all_of(Store.open(store.folder)), make_codes(list(range(10)))
    for name in COLUMNS:
        assert torch.equal(getattr(read, name), getattr(written, name)), name
    assert (store.count, store.latent_dim, len(store)) == (10, 3, 10)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_batches_of_any_size_give_the_same_rows(store, rows):
    batches = list(store.batches(rows=rows))
    assert max(map(len, batches)) <= rows
    assert concatenate(batches).image_id.tolist() == list(range(10))


def test_columns_that_are_not_asked_for_are_empty(store):
    batch = next(store.batches(columns=("z",)))
    assert batch.z.shape == (4, 3)
    assert batch.image_id.tolist() == [0, 1, 2, 3]
    assert batch.loss.numel() == 0
    with pytest.raises(StoreError, match="no column codes; it has image_id"):
        next(store.batches(columns=("codes",)))


@pytest.mark.parametrize(("count", "ids"), [(1, [0]), (5, [0, 1, 2, 3, 4]), (99, list(range(10)))])
def test_head(store, count, ids):
    assert store.head(count).image_id.tolist() == ids


def test_a_second_writing_of_a_part_changes_nothing(writer, make_codes):
    first = writer.write(0, make_codes([0, 1]))
    file = writer.folder.local / first.file
    before = file.stat().st_mtime_ns
    assert pickle.loads(pickle.dumps(writer)).write(0, make_codes([0, 1])) == first
    assert file.stat().st_mtime_ns == before
    assert writer.done() == {0}


def without_manifest(path):
    (path / "_manifest.json").unlink()


def without_parts(path):
    without_manifest(path)
    for name in ("part-00000", "part-00002"):
        (path / f"_{name}.json").unlink()
        (path / f"{name}.parquet").unlink()


def torn_part(path):
    without_manifest(path)
    part = path / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-100])


def orphan(path):
    without_manifest(path)
    (path / "_part-00001.json").unlink()
    (path / "part-00001.parquet").rename(path / ".0123456789abcdef.tmp")


def record_without_part(path):
    without_manifest(path)
    (path / "part-00001.parquet").unlink()


def part_without_record(path):
    without_manifest(path)
    (path / "_part-00001.json").unlink()


def torn_record(path):
    without_manifest(path)
    record = path / "_part-00001.json"
    record.write_bytes(record.read_bytes()[:40])


DEATHS = [
    without_manifest,
    without_parts,
    torn_part,
    orphan,
    record_without_part,
    part_without_record,
    torn_record,
]


@pytest.mark.parametrize("death", DEATHS)
def test_whatever_dies_the_completed_store_is_that_of_an_undisturbed_run(
    store, about, split, make_codes, death
):
    death(store.folder.local)
    left = 3 - len(StoreWriter(store.folder, about, 3, 10).done())
    with pytest.raises(StoreError, match=rf"incomplete: it has {3 - left} of 3 parts; run the job again"):
        Store.open(store.folder)
    again = finish(StoreWriter(store.folder, about, 3, 10), split, make_codes)
    assert again.fingerprint == store.fingerprint
    assert sorted(all_of(again).image_id.tolist()) == list(range(10))
    verify(store.folder)


def test_a_store_does_not_depend_on_where_it_is_or_on_the_order_of_writing(
    store, tmp_path, about, split, make_codes
):
    moved = about.model_copy(update={"dataset": about.dataset.model_copy(update={"path": "elsewhere"})})
    writer = StoreWriter(tmp_path / "other", moved, parts=3, count=10)
    for index in (2, 0, 1):
        writer.write(index, make_codes(split[index]))
    assert writer.finish().fingerprint == store.fingerprint


def test_finish_names_the_parts_that_are_missing(writer, make_codes):
    writer.write(1, make_codes([1]))
    with pytest.raises(
        StoreError, match=r"has 1 of 3 parts, without part-00000.parquet, part-00002.parquet; run"
    ):
        writer.finish()


def test_an_image_in_two_parts_is_refused(writer, make_codes):
    for index, ids in enumerate([[0, 1, 2, 3], [4, 5, 6], [7, 8, 2]]):
        writer.write(index, make_codes(ids))
    with pytest.raises(StoreError, match=r"images \[2\] are in .* more than once"):
        writer.finish()
    assert not writer.folder.exists("_manifest.json")


def test_too_few_images_are_refused(writer, make_codes):
    for index, ids in enumerate([[0], [1], []]):
        writer.write(index, make_codes(ids))
    with pytest.raises(StoreError, match="holds 2 images, but its plan says 10"):
        writer.finish()


def test_a_part_of_one_worker_with_the_record_of_another_is_refused(
    writer, split, make_codes, tmp_path, about
):
    for index, ids in enumerate(split):
        writer.write(index, make_codes(ids))
    other = StoreWriter(tmp_path / "other", about, parts=3, count=10)
    codes = make_codes(split[1])
    other.write(1, replace(codes, loss=codes.loss + 1))
    theirs, mine = (folder.local / "part-00001.parquet" for folder in (other.folder, writer.folder))
    mine.write_bytes(theirs.read_bytes())
    record = writer.folder.read_json("_part-00001.json") | {"bytes": mine.stat().st_size}
    writer.folder.write_json("_part-00001.json", record)
    with pytest.raises(StoreError, match=r"part-00001.parquet does not match its record; delete it"):
        writer.finish()


def test_another_plan_is_refused_with_its_differences(writer, about):
    other = about.model_copy(update={"solver": {"name": "adam", "lr": 0.2, "decay": True, "steps": 500}})
    with pytest.raises(StoreError) as refusal:
        StoreWriter(writer.folder, other, parts=4, count=10)
    listed = [line.strip() for line in str(refusal.value).splitlines() if line.startswith("  ")]
    assert listed == ["parts: 3 -> 4", "solver.decay: absent -> true", "solver.lr: 0.1 -> 0.2"]


def test_parts_of_two_versions_in_one_store_are_said(writer, about, make_codes, monkeypatch, caplog):
    resume = partial(StoreWriter, writer.folder, about, writer.plan.parts, writer.plan.count)
    monkeypatch.setattr("preimage.latents.store.__version__", "99")
    resume()
    assert not caplog.messages  # there is no part yet
    writer.write(0, make_codes(range(4)))
    resume()
    assert f"begun by Preimage {__version__} and is completed by 99" in caplog.text
    monkeypatch.undo()
    caplog.clear()
    resume()
    assert not caplog.messages


def test_a_part_that_the_plan_does_not_have_is_refused(writer, make_codes):
    with pytest.raises(StoreError, match="must be between 0 and 2 but got 3"):
        writer.write(3, make_codes([1]))


def test_no_store(tmp_path: Path):
    with pytest.raises(StoreError, match="no latent store at .*nowhere"):
        Store.open(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="a latent store is a folder"):
        Store.open(tmp_path / "file")


def test_missing_and_cut_parts_are_named_together(store):
    (store.folder.local / "part-00000.parquet").unlink()
    (store.folder.local / "part-00002.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"part-00000.parquet is missing; part-00002.parquet has 4 bytes"):
        Store.open(store.folder)


def test_any_altered_byte_of_the_codes_is_noticed_while_reading(store):
    part = store.folder.local / "part-00001.parquet"
    whole = bytearray(part.read_bytes())
    offset = pq.ParquetFile(part).metadata.row_group(0).column(2).data_page_offset
    whole[offset + 60] ^= 1
    part.write_bytes(whole)
    with pytest.raises(StoreError, match="part-00001.parquet cannot be read"):
        all_of(Store.open(store.folder))


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_cut_part_is_named(store, size):
    opened = Store.open(store.folder)
    part = store.folder.local / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:size])
    with pytest.raises(StoreError, match="part-00001.parquet cannot be read"):
        all_of(opened)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_of_any_ids_is_the_same_set(data, tmp_path_factory, about, make_codes):
    ids = data.draw(st.lists(st.integers(0, 2**62), min_size=1, max_size=30, unique=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=5)))
    bounds = [0, *cuts, len(ids)]
    parts = [ids[low:high] for low, high in pairwise(bounds)]
    writer = StoreWriter(tmp_path_factory.mktemp("split"), about, len(parts), len(ids))
    store = finish(writer, parts, make_codes)
    assert verify(store.folder).count == len(ids)
    assert all_of(store).image_id.tolist() == ids


def test_memory_while_reading_is_that_of_a_few_parts(tmp_path, about, make_codes):
    wide = about.model_copy(update={"latent_dim": 64})
    parts, rows = 64, 1000
    split = [list(range(index * rows, index * rows + rows)) for index in range(parts)]
    writer = StoreWriter(tmp_path, wide, parts, parts * rows)
    store = finish(writer, split, lambda ids: make_codes(ids, dim=64))
    before = pa.total_allocated_bytes()
    peak = max(pa.total_allocated_bytes() for _ in store.batches(rows=300)) - before
    assert peak < parts * rows * 64 * 4 / 4


def test_the_manifest_is_plain_json(store):
    manifest = json.loads((store.folder.local / "_manifest.json").read_text())
    assert manifest["about"]["generator"] == {"fingerprint": "gen", "path": "runs/é/generator"}
    assert [part["rows"] for part in manifest["parts"]] == [4, 3, 3]
