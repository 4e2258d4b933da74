"""The full check: whatever is altered is found, and said as one StoreError."""

import math
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preimage.errors import StoreError
from preimage.latents import manifest, parquet
from preimage.latents.schema import to_table
from preimage.latents.store import StoreWriter
from preimage.latents.verify import describe, verify


def test_a_whole_store(store, make_codes):
    report, codes = verify(store.folder), make_codes(list(range(10)))
    assert (report.count, report.parts, report.latent_dim) == (10, 3, 3)
    assert report.bytes == sum(file.stat().st_size for file in store.folder.local.glob("*.parquet"))
    assert report.search.converged == pytest.approx(codes.converged.float().mean().item())
    assert report.search.loss_mean == pytest.approx(codes.loss.mean().item())
    assert report.search.loss_median == pytest.approx(2 / 8)


def test_describe(store, make_codes):
    facts, codes = describe(store), make_codes(list(range(10)))
    assert facts["loss_mean"] == pytest.approx(codes.loss.mean().item())
    assert facts["z_norm_mean"] == pytest.approx(codes.z.norm(dim=1).mean().item())
    assert facts["converged"] == pytest.approx(codes.converged.float().mean().item())
    assert (facts["steps_min"], facts["steps_max"], facts["steps_mean"]) == (0, 4, 2)
    assert facts["fingerprint"] == store.fingerprint


def test_images_that_diverged_are_counted_and_not_averaged(store, diverged, make_codes):
    assert (verify(store.folder).search.diverged, describe(store)["diverged"]) == (0, 0)
    report, facts = verify(diverged.folder), describe(diverged)
    codes = make_codes([0, 1, 2, 4, 5, 6, 7, 9])
    assert (report.count, report.search.diverged) == (facts["count"], facts["diverged"]) == (10, 2)
    assert report.search.loss_mean == pytest.approx(codes.loss.mean().item())
    assert report.search.loss_median == codes.loss.median()
    assert facts["loss_mean"] == pytest.approx(codes.loss.mean().item())
    assert facts["z_norm_mean"] == pytest.approx(codes.z.norm(dim=1).mean().item())
    assert facts["steps_mean"] == pytest.approx(codes.steps.float().mean().item())
    assert report.search.converged == verify(store.folder).search.converged == facts["converged"]


def test_a_store_whose_images_all_diverged_has_no_mean(tmp_path, about, make_codes):
    codes = make_codes(list(range(10)))
    writer = StoreWriter(tmp_path, about, parts=1, count=10)
    writer.write(0, replace(codes, loss=torch.full((10,), torch.nan)))
    store = writer.finish()
    report, facts = verify(store.folder), describe(store)
    assert report.search.diverged == 10
    means = report.search.loss_mean, report.search.loss_median, facts["loss_mean"]
    assert all(math.isnan(mean) for mean in means)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_altered_byte_of_any_file_is_found(store, data):
    files = sorted(file for file in store.folder.local.iterdir())
    file = data.draw(st.sampled_from(files))
    whole = file.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.integers(1, 255))
    altered = bytearray(whole)
    altered[position] ^= change
    try:
        file.write_bytes(altered)
        with pytest.raises(StoreError):
            verify(store.folder)
    finally:
        file.write_bytes(whole)
    verify(store.folder)


@pytest.mark.parametrize("name", ["_plan.json", "_manifest.json", "_part-00001.json", "part-00001.parquet"])
def test_any_missing_or_cut_file_is_found(store, name):
    file = store.folder.local / name
    whole = file.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(StoreError):
            verify(store.folder)
    file.unlink()
    with pytest.raises(StoreError):
        verify(store.folder)


def test_all_problems_are_listed_together(store):
    for name, position in (("part-00000.parquet", 300), ("part-00002.parquet", 310)):
        file = store.folder.local / name
        altered = bytearray(file.read_bytes())
        altered[position] ^= 255
        file.write_bytes(altered)
    (store.folder.local / "part-00001.parquet").unlink()
    (store.folder.local / "part-00009.parquet").touch()
    with pytest.raises(StoreError) as refusal:
        verify(store.folder)
    listed = [line.strip() for line in str(refusal.value).splitlines()[1:-1]]
    assert listed == [
        "part-00001.parquet is missing",
        "part-00009.parquet is not in the manifest",
        "part-00000.parquet was altered: its SHA-256 does not match the manifest",
        "part-00002.parquet was altered: its SHA-256 does not match the manifest",
    ]


def forge(store, index, table):
    """Another part under a record, plan and manifest that all agree with it."""
    folder = store.folder
    records = list(manifest.read_manifest(folder).parts)
    name = manifest.part_name(index)
    pq.write_table(table, str(folder.local / name), **parquet.OPTIONS)
    size = (folder.local / name).stat().st_size
    records[index] = records[index].model_copy(
        update={"bytes": size, "sha256": parquet.file_digest(folder, name)}
    )
    manifest.write_config(folder, manifest.record_name(index), records[index])
    manifest.write_config(folder, "_manifest.json", manifest.Manifest.of(store.about, records))


def test_what_is_wrong_in_rows_is_found_under_digests_that_agree(store, make_codes, about):
    codes = make_codes([4, 0, 6])
    table = to_table(codes, about)
    codes.z[1, 2], codes.loss[0] = torch.nan, torch.inf  # shared with the table
    forge(store, 1, table)
    forge(store, 2, to_table(make_codes([7, 8]), about))
    with pytest.raises(StoreError) as refusal:
        verify(store.folder)
    text = str(refusal.value)
    assert "part-00001.parquet: z holds a value that is not finite" in text
    assert "part-00001.parquet: loss must not be infinite" in text
    assert "part-00002.parquet has 2 rows, expected 3" in text
    assert "images [0] occur more than once" in text


def test_a_part_of_another_store_is_found(store, make_codes, about):
    forge(store, 1, to_table(make_codes([4, 5, 6]), about.model_copy(update={"prior": "uniform"})))
    with pytest.raises(
        StoreError, match=r"part-00001.parquet has another schema or belongs to another store"
    ):
        verify(store.folder)


def test_a_plan_of_another_store_is_found(store, about):
    other = manifest.StorePlan(about=about.model_copy(update={"prior": "uniform"}), parts=3, count=10)
    manifest.write_config(store.folder, "_plan.json", other)
    with pytest.raises(
        StoreError, match=r'the manifest does not match _plan.json: prior: "uniform" -> "normal"'
    ):
        verify(store.folder)
