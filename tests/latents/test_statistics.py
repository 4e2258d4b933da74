"""Streaming moments against torch on the whole matrix."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.errors import PreimageError
from preimage.latents.statistics import Moments


def codes(seed, count=40, dim=4):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)) * 2 + 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 40), max_size=6))
def test_any_split_and_merge_is_the_whole(seed, cuts):
    z = codes(seed)
    bounds = [0, *sorted(cuts), 40]
    merged = Moments.empty(4)
    for low, high in reversed(list(pairwise(bounds))):
        merged = Moments.empty(4).update(z[low:high]).merge(merged)
    assert merged.count == 40
    exact = z.double()
    torch.testing.assert_close(merged.gram, exact.T @ exact, rtol=1e-13, atol=1e-12)
    torch.testing.assert_close(merged.mean, exact.mean(0), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(merged.covariance, torch.cov(exact.T), rtol=1e-12, atol=1e-12)


def test_too_few_codes():
    with pytest.raises(PreimageError, match="a mean needs at least one"):
        _ = Moments.empty(2).mean
    with pytest.raises(PreimageError, match="a covariance needs at least two codes but got 1"):
        _ = Moments.empty(2).update(torch.ones(1, 2)).covariance
