from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from preimage.errors import DataError
from preimage.training.batches import Batches, shares
from preimage.training.worker import Worker

sizes = st.integers(1, 12).flatmap(lambda batch: st.tuples(st.integers(batch, 60), st.just(batch)))


@given(size=sizes, epochs=st.integers(1, 3))
def test_an_image_comes_once_an_epoch_of_its_lane(size, epochs):
    count, batch = size
    batches = Batches(count, batch, seed=5)
    for lane in range(batch):
        rows = range(lane * count // batch, (lane + 1) * count // batch)
        drawn = [int(batches.at(step)[lane]) for step in range(len(rows) * epochs)]
        for epoch in range(epochs):
            part = drawn[epoch * len(rows) : (epoch + 1) * len(rows)]
            assert Counter(part) == Counter(rows)


@given(size=sizes, steps=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_a_batch_follows_from_its_step_alone(size, steps):
    count, batch = size
    used = Batches(count, batch, seed=9)
    for step in steps:
        assert torch.equal(used.at(step), Batches(count, batch, seed=9).at(step))


@given(
    workers_and_batch=st.integers(1, 5).flatmap(
        lambda workers: st.tuples(st.just(workers), st.integers(workers, 17))
    ),
    extra=st.integers(0, 40),
    step=st.integers(0, 20),
)
def test_any_number_of_workers_takes_the_same_batch(workers_and_batch, extra, step):
    workers, batch = workers_and_batch
    count = batch + extra
    parts = []
    edges = shares(count, batch, workers)
    for rank, (first, last) in enumerate(pairwise(edges)):
        own = Batches(count, batch, seed=2, rank=rank, world_size=workers).at(step)
        assert len(own) in (batch // workers, -(-batch // workers))
        assert len(Worker(rank, workers).part(torch.arange(batch))) == len(own)
        assert int(own.min()) >= 0
        assert int(own.max()) < last - first, "of its own images only"
        parts.append(own + first)
    assert edges[-1] == count
    assert torch.equal(torch.cat(parts), Batches(count, batch, seed=2).at(step))


def test_lanes_epochs_and_seeds_shuffle_differently():
    def order(seed: int, lane: int, epoch: int) -> tuple[int, ...]:
        batches = Batches(100, 2, seed)
        return tuple(int(batches.at(epoch * 50 + step)[lane]) - 50 * lane for step in range(50))

    assert len({order(*each) for each in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))}) == 4


def test_too_few_images_for_a_batch_are_refused():
    with pytest.raises(
        DataError, match=r"49 images do not fill a batch of 50: set training.batch_size to at most 49"
    ):
        Batches(49, 50, seed=0)
