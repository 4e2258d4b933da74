"""Each image once: by the places of a dataset's order, or in passes over the ids."""

from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preimage.errors import StoreError
from preimage.latents import image_ids, manifest, parquet
from preimage.latents.image_ids import all_rise, repeated, span_of
from preimage.latents.schema import to_table
from preimage.latents.store import StoreWriter
from preimage.latents.verify import verify
from preimage.permutation import Permutation


def shuffled(count, available):
    """The ids of a dataset's first rows."""
    return Permutation(available).at(np.arange(count)).tolist()


@given(st.integers(1, 60), st.data())
def test_a_span_is_that_of_rising_places(available, data):
    places = data.draw(st.lists(st.integers(0, available - 1), min_size=1, max_size=8))
    ids = torch.from_numpy(Permutation(available).at(np.array(places)))
    rising = all(before < after for before, after in pairwise(places))
    assert span_of(ids, available) == ((places[0], places[-1]) if rising else None)


@pytest.mark.parametrize("ids", [[], [-1], [7], [2**62]])
def test_no_span_of_ids_that_the_source_has_not(ids):
    assert span_of(torch.tensor(ids, dtype=torch.int64), 7) is None
    assert span_of(torch.tensor([0]), None) is None


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), max_size=40), st.integers(1, 50))
def test_whatever_repeats_is_found_in_any_number_of_passes(ids, held):
    batches = torch.tensor(ids, dtype=torch.int64).split(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_ids, "HELD", held)
        found = repeated(lambda: batches, len(ids))
    assert found == sorted({each for each in ids if ids.count(each) > 1})[:5]


def test_spans_that_meet_do_not_rise():
    assert all_rise([(0, 3), (4, 4), (9, 12)])
    assert all_rise([])
    assert not any(all_rise(each) for each in ([(0, 4), (4, 5)], [(5, 6), (0, 4)], [(0, 3), None]))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_image_twice_in_place_of_another_is_refused(data, tmp_path_factory, about, make_codes):
    """In any two rows of any parts, in the dataset's order or in another."""
    about = replaced(about, available=data.draw(st.sampled_from([None, 20, 100])))
    ids = shuffled(12, about.dataset.available or 12)
    writer = StoreWriter(tmp_path_factory.mktemp("twice"), about, 3, 12)
    kept, again = data.draw(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda x: x[0] != x[1]))
    whole, parts = list(ids), [slice(0, 4), slice(4, 9), slice(9, 12)]
    ids[again] = ids[kept]
    twice = next((part for part in parts if len({*ids[part]}) < len(ids[part])), None)
    for index, part in enumerate(parts):
        if part == twice:
            with pytest.raises(StoreError, match="an image_id occurs twice"):
                writer.write(index, make_codes(ids[part]))
        else:
            writer.write(index, make_codes(ids[part]))
    if not twice:
        with pytest.raises(StoreError, match=rf"images \[{ids[kept]}\] are in .* more than once"):
            writer.finish()
    else:
        writer.write(parts.index(twice), make_codes(whole[twice]))
        writer.finish()
        verify(writer.folder)


def test_the_order_of_a_dataset_needs_no_reading_of_ids(tmp_path, about, make_codes, monkeypatch):
    monkeypatch.setattr(parquet, "repeated", None)
    writer = StoreWriter(tmp_path, replaced(about, available=100), 4, 10)
    ids = shuffled(11, 100)
    for index, part in enumerate([ids[:4], [], ids[5:8], ids[8:]]):  # one image was skipped
        writer.write(index, make_codes(part))
    assert [record.span for record in writer.finish().manifest.parts] == [(0, 3), None, (5, 7), (8, 10)]
    assert verify(tmp_path).count == 10


def test_a_record_that_vouches_for_other_rows_is_found(tmp_path, about, make_codes):
    about = replaced(about, available=100)
    writer, ids = StoreWriter(tmp_path, about, 2, 8), shuffled(8, 100)
    for index, part in enumerate([ids[:4], ids[4:]]):
        writer.write(index, make_codes(part))
    store = writer.finish()
    records = list(store.manifest.parts)
    forged = [*ids[4:7], ids[0]]
    name, table = records[1].file, to_table(make_codes(forged), about)
    with store.folder.writing(name) as stream:
        pq.write_table(table, stream, **parquet.OPTIONS)
    changed = {"bytes": store.folder.size(name), "sha256": parquet.file_digest(store.folder, name)}
    records[1] = records[1].model_copy(update=changed)
    manifest.write_config(store.folder, manifest.record_name(1), records[1])
    manifest.write_config(store.folder, manifest.MANIFEST, manifest.Manifest.of(about, records))
    with pytest.raises(StoreError, match=rf"images \[{ids[0]}\] occur more than once"):
        verify(store.folder)


def replaced(about, **changes):
    return about.model_copy(update={"dataset": about.dataset.model_copy(update=changes)})
