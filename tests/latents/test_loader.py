"""Loading a store's codes for training: order, workers, resuming."""

import hashlib
import json
import pickle
import threading
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from parted_stores import DIM, codes_of, parted_store
from preimage.errors import StoreError
from preimage.latents import parquet
from preimage.latents.schema import Codes, concatenate
from preimage.latents.store import Store
from preimage.latents.windows import Group, windows_of
from preimage.storage.folder import Folder

GROUP = 4
SIZES = (0, 4, 9, 1, 11, 6)
"""Codes in each part: of none, of one row group, of several."""
LOST = (3, 8, 14, 15, 16, 17)
"""Images that diverged: all of the last but one part's first row group."""


@pytest.fixture(scope="module", autouse=True)
def small_row_groups() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROW_GROUP", GROUP)
        patch.setitem(parquet.OPTIONS, "row_group_size", GROUP)
        patch.setattr(parquet, "PIECE", 3 * 4 * DIM)  # so that a row group comes in two pieces
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, small_row_groups: None):
    """The store of these parts: of images 0, 1, ..."""

    @cache
    def write(sizes: tuple[int, ...] = SIZES, lost: tuple[int, ...] = LOST) -> Store:
        return parted_store(Folder.at(tmp_path_factory.mktemp("store")), sizes, lost)

    return write


@pytest.fixture
def store(written) -> Store:
    return written()


KEPT = [image for image in range(sum(SIZES)) if image not in LOST]
SETTINGS = {"batch_size": 5, "seed": 3, "window": 8}


def ids(batches) -> list[list[int]]:
    return [batch.image_id.tolist() for batch in batches]


def order(batches) -> list[int]:
    return concatenate(list(batches)).image_id.tolist()


def digest(batches) -> str:
    found = hashlib.sha256()
    for batch in batches:
        found.update(batch.image_id.numpy().tobytes() + batch.z.numpy().tobytes())
    return found.hexdigest()


def together(store: Store, world_size: int, state: dict | None = None, **other) -> list[Codes]:
    """What is left of an epoch, from all workers."""
    loaders = [
        store.loader(**SETTINGS | other, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    for loader in loaders:
        loader.load_state_dict(state or loader.state_dict())
    return [concatenate(list(parts)) for parts in zip(*loaders, strict=True)]


def state_at(store: Store, epoch: int, step: int, world_size: int) -> dict:
    """The state that a worker's loader saves after so many batches, as a checkpoint holds it."""
    loader = store.loader(**SETTINGS, rank=world_size - 1, world_size=world_size)
    for _ in range(epoch):
        list(loader)
    for _, _ in zip(range(step), loader, strict=False):
        pass
    return json.loads(json.dumps(loader.state_dict()))


@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 2), (2, 1), (3, 3)])
def test_resumed_from_every_step_the_rest_is_the_same_on_any_number_of_workers(store, epoch, before, after):
    undisturbed = together(store, 1, state_at(store, epoch, 0, 1))
    for step in range(len(undisturbed) + 1):
        state = state_at(store, epoch, step, before)
        assert (state["epoch"], state["step"]) == (epoch, step)
        rest = together(store, after, state)
        assert ids(rest) == ids(undisturbed[step:])
        assert digest(rest) == digest(undisturbed[step:])


def test_after_a_resumed_epoch_comes_the_next(store):
    loader, resumed = store.loader(**SETTINGS), store.loader(**SETTINGS)
    list(loader)
    resumed.load_state_dict(state_at(store, 0, 2, 1))
    list(resumed)
    assert (resumed.epoch, resumed.step) == (1, 0)
    assert ids(resumed) == ids(loader)


def test_a_loop_that_was_left_early_is_continued_by_the_next(store):
    loader = store.loader(**SETTINGS)
    first = next(iter(loader))
    assert ids([first, *loader]) == ids(store.loader(**SETTINGS))


@settings(max_examples=40)
@given(
    sizes=st.sampled_from([(1,), (7,), (13, 1), SIZES, (3,) * 8]),
    batch_size=st.integers(1, 40),
    window=st.integers(1, 50),
    world_size=st.integers(1, 4),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 5),
    data=st.data(),
)
def test_every_code_comes_once_an_epoch(written, sizes, batch_size, window, world_size, seed, epoch, data):
    store = written(sizes, ())
    choice = {"batch_size": batch_size, "window": window, "seed": seed}
    start = store.loader(**choice).state_dict() | {"epoch": epoch}
    whole = together(store, world_size, start, **choice)
    assert [len(batch) for batch in whole[:-1]] == [batch_size] * (len(whole) - 1)
    found = concatenate(whole)
    assert sorted(found.image_id.tolist()) == list(range(sum(sizes)))
    assert torch.equal(found.z, codes_of(found.image_id.tolist()).z)
    step = data.draw(st.integers(0, len(whole)))
    other = data.draw(st.integers(1, 4))
    assert ids(together(store, other, start | {"step": step}, **choice)) == ids(whole[step:])


def test_epochs_and_seeds_have_orders_of_their_own(store):
    loader = store.loader(5, seed=3)
    orders = [ids(loader), ids(loader), ids(store.loader(5, seed=4)), ids(store.loader(5, seed=3, window=8))]
    assert len({str(order) for order in orders}) == 4
    assert orders[0] == ids(store.loader(5, seed=3))


def test_the_order_is_the_same_for_every_batch_size_and_number_of_threads(store, monkeypatch):
    one = order(store.loader(5, window=8))
    monkeypatch.setattr(parquet, "READERS", 1)
    assert order(store.loader(7, window=8)) == one


def test_a_store_of_one_window_has_the_same_order_however_it_is_divided(written):
    one = ids(written((31,), LOST).loader(5, seed=9))
    assert ids(written(SIZES, LOST).loader(5, seed=9)) == one


def test_without_shuffling_codes_are_in_store_order(store):
    assert order(store.loader(5, shuffle=False, window=8)) == KEPT


def test_windows_are_whole_row_groups_of_at_most_so_many_codes():
    groups = [Group(None, number, number % 5 + 1, 0) for number in range(40)]  # pyright: ignore
    found = windows_of(groups, 8, 1, 0)
    assert sorted(group.number for window in found for group in window.groups) == list(range(40))
    assert all(window.count <= 8 for window in found)
    assert all(one.count + other.count > 8 for one, other in pairwise(found))
    assert [window.start for window in found[1:]] == [window.end for window in found[:-1]]
    assert len(windows_of(groups, 1, 1, 0)) == 40


def test_a_window_is_shuffled_uniformly():
    """Over many epochs each of 5 codes is as often in each place: within 5 standard errors."""
    epochs, seen = 2000, torch.zeros(5, 5)
    for epoch in range(epochs):
        (window,) = windows_of([Group(None, 0, 5, 0)], 5, 1, epoch)  # pyright: ignore
        seen[torch.arange(5), window.places()] += 1
    error = (0.2 * 0.8 / epochs) ** 0.5
    assert (seen / epochs - 0.2).abs().max() < 5 * error


def test_images_that_diverged_are_left_out_and_that_is_said(store, caplog):
    loader = store.loader(5)
    order(loader)
    assert (loader.count, loader.diverged) == (len(KEPT), len(LOST))
    (said,) = caplog.messages
    assert "6 of 31 images are left out, because their search diverged" in said
    assert sorted(order(loader)) == KEPT


def test_the_columns_that_were_asked_for_are_read(store):
    batch = next(iter(store.loader(25, shuffle=False, columns=("label", "converged", "loss"))))
    expected = codes_of(KEPT)
    for name in ("image_id", "label", "converged", "loss"):
        assert torch.equal(getattr(batch, name), getattr(expected, name))
    assert not len(batch.z)


def test_the_last_batch_may_be_left_out(store):
    batches = together(store, 3, batch_size=4)
    assert [len(batch) for batch in batches] == [4] * 6 + [1]
    assert ids(together(store, 3, batch_size=4, drop_last=True)) == ids(batches[:-1])
    assert len(store.loader(4)) == 7
    assert len(store.loader(4, drop_last=True)) == 6


@pytest.fixture
def read(monkeypatch) -> list[tuple[str, int]]:
    """Row groups as they are read."""
    found, real = [], parquet.pieces

    def pieces(folder, record, group, *others):
        found.append((record.file, group))
        return real(folder, record, group, *others)

    monkeypatch.setattr(parquet, "pieces", pieces)
    return found


def test_resuming_reads_no_window_that_lies_before(store, read):
    loader = store.loader(**SETTINGS)
    list(loader)
    whole = len(read)
    read.clear()
    resumed = store.loader(**SETTINGS)
    resumed.load_state_dict(state_at(store, 0, 0, 1) | {"step": len(loader) - 1})
    list(resumed)
    assert 0 < len(read) < whole / 2


def test_no_more_than_the_next_windows_are_read_ahead(written, read):
    reading = iter(written((3,) * 8, ()).loader(1, window=1))
    next(reading)
    reading.close()
    assert len(read) <= 1 + 1 + parquet.READERS


def test_a_row_group_of_none_but_diverged_images_is_not_read(store, read):
    list(store.loader(5))
    assert ("part-00004.parquet", 0) not in read
    assert len(read) == len(set(read)) == 9


def test_leaving_early_leaves_no_thread(store):
    before = threading.active_count()
    reading = iter(store.loader(2, window=4))
    next(reading)
    reading.close()
    assert threading.active_count() == before


def test_it_can_be_sent_to_a_worker_and_put_into_a_data_loader(store):
    loader = pickle.loads(pickle.dumps(store.loader(**SETTINGS)))
    assert ids(DataLoader(loader, batch_size=None)) == ids(store.loader(**SETTINGS))


def test_workers_of_a_data_loader_would_all_load_the_same(store, monkeypatch):
    monkeypatch.setattr("preimage.latents.loader.get_worker_info", lambda: "one of two")
    with pytest.raises(StoreError, match="num_workers=0"):
        next(iter(store.loader(5)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1 but got 0"),
        ({"window": 0}, "window must be at least 1 but got 0"),
        ({"world_size": 0}, "world_size must be at least 1 but got 0"),
        ({"rank": 2, "world_size": 2}, "rank must be between 0 and 1 but got 2"),
        ({"rank": -1}, "rank must be between 0 and 0 but got -1"),
    ],
)
def test_a_number_out_of_range_is_refused(store, wrong, says):
    with pytest.raises(ValueError, match=says):
        store.loader(**{"batch_size": 5} | wrong)


def test_an_unknown_column_is_refused(store):
    with pytest.raises(StoreError, match="no column images"):
        store.loader(5, columns=("images",))


def test_a_store_that_fills_no_batch_is_refused(written):
    with pytest.raises(StoreError, match="0 codes to load"):
        written((4,), (0, 1, 2, 3)).loader(1)
    with pytest.raises(StoreError, match="4 codes to load, which do not fill a batch of 5"):
        written((4,), ()).loader(5, drop_last=True)
    assert len(written((4,), ()).loader(5)) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"store": "other"}, "with store other and not"),
        ({"batch_size": 6}, "with batch_size 6 and not 5;"),
        ({"seed": 4, "window": 9}, "with seed 4 and not 3, window 9 and not 8;"),
        ({"shuffle": False}, "with shuffle False and not True;"),
        ({"step": 6}, "at step 6, but an epoch has 5"),
        ({"step": -1}, "no state of a store's loader: step: .*greater than or equal to 0"),
        ({"epoch": "1"}, "no state of a store's loader: epoch: .*valid integer"),
        ({"more": 1}, "no state of a store's loader: more: Extra"),
    ],
)
def test_the_state_of_another_loader_is_refused(store, change, says):
    loader = store.loader(**SETTINGS)
    with pytest.raises(StoreError, match=says):
        loader.load_state_dict(loader.state_dict() | change)
    assert (loader.epoch, loader.step) == (0, 0)


def test_a_footer_that_does_not_match_its_rows_is_noticed(store, monkeypatch):
    real = parquet.diverged_rows
    monkeypatch.setattr(parquet, "diverged_rows", lambda *at: ([1] * len(n) for n in real(*at)))
    with pytest.raises(StoreError, match="does not hold the . codes that its footer promises"):
        list(store.loader(5))


def test_a_damaged_part_is_named(written, tmp_path):
    folder = Folder.at(tmp_path / "copy")
    for name in written().folder.names():
        folder.write(name, written().folder.read(name))
    loader = Store.open(folder).loader(5)
    part = tmp_path / "copy" / "part-00002.parquet"
    z = pq.read_metadata(part).row_group(1).column(2)
    data = bytearray(part.read_bytes())
    data[z.data_page_offset + z.total_compressed_size - 1] ^= 1  # the last byte of a code
    part.write_bytes(data)
    with pytest.raises(StoreError, match=r"part-00002.parquet cannot be read"):
        list(loader)
