from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st

from preimage.reproducible import seed_of
from preimage.training.batches import Batches


@given(rows=st.integers(1, 40), batch=st.integers(1, 30), epochs=st.integers(1, 3))
def test_every_row_comes_once_an_epoch(rows, batch, epochs):
    batches = Batches(rows, batch, seed=5)
    drawn = torch.cat([batches.next() for _ in range(-(-rows * epochs // batch))])
    for epoch in range(epochs):
        part = drawn[epoch * rows : (epoch + 1) * rows]
        assert Counter(part.tolist()) == Counter(range(rows))


@given(rows=st.integers(1, 40), batch=st.integers(1, 30), before=st.integers(0, 8))
def test_a_resumed_stream_is_the_undisturbed_one(rows, batch, before):
    whole = Batches(rows, batch, seed=9, rank=1)
    for _ in range(before):
        whole.next()
    resumed = Batches(rows, batch, seed=9, rank=1, drawn=whole.drawn)
    assert torch.equal(resumed.next(), whole.next())


def test_ranks_epochs_and_seeds_shuffle_differently():
    orders = {
        tuple(Batches(50, 50, seed, rank, epoch * 50).next().tolist())
        for seed, rank, epoch in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    }
    assert len(orders) == 4


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4))
def test_a_seed_is_one_torch_takes(parts):
    torch.Generator().manual_seed(seed_of(*parts))
