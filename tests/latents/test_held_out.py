"""Which codes are held out, and how likely a prior makes them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from code_stores import store_of
from preimage.latents.fitted import Box
from preimage.latents.held_out import Split, is_held_out, likelihood
from preimage.latents.priors import Gaussian, Normal
from preimage.latents.statistics import Moments

IDS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20)
FIRST = torch.arange(100_000)


def splitmix(image_id):
    """The published generator's first number from this state, in Python's own integers, as a share."""
    mask = (1 << 64) - 1
    value = (image_id + 0x9E3779B97F4A7C15) & mask
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & mask
    value = (value ^ value >> 27) * 0x94D049BB133111EB & mask
    return ((value ^ value >> 31) >> 11) / 2**53


@given(IDS, st.floats(0, 1))
def test_it_is_splitmix_of_the_id(ids, fraction):
    expected = [splitmix(each) < fraction for each in ids]
    assert is_held_out(torch.tensor(ids, dtype=torch.int64), fraction).tolist() == expected


@given(IDS, st.floats(0, 1), st.floats(0, 1))
def test_what_is_held_out_at_one_fraction_is_so_at_every_larger_one(ids, a, b):
    ids = torch.tensor(ids, dtype=torch.int64)
    assert (is_held_out(ids, max(a, b)) | ~is_held_out(ids, min(a, b))).all()
    assert not is_held_out(ids, 0.0).any()
    assert is_held_out(ids, 1.0).all()


@pytest.mark.parametrize("fraction", [0.1, 0.5])
@pytest.mark.parametrize("stride", [1, 2, 10, 4096])
def test_consecutive_ids_are_held_out_as_often_as_asked_and_independently(fraction, stride):
    out = is_held_out(FIRST * stride, fraction).double()
    error = math.sqrt(fraction * (1 - fraction) / len(out))
    assert out.mean().item() == pytest.approx(fraction, abs=4 * error)
    both = (out[1:] * out[:-1]).mean().item()
    assert both == pytest.approx(fraction**2, abs=4 * fraction / math.sqrt(len(out)))


def codes(count=300, dim=2):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(0))


def test_every_sound_code_is_on_one_side(folder):
    z, lost = codes(), (0, 7, 150)
    split = Split(store_of(folder / "s", z, lost=lost), 0.3)
    out = is_held_out(torch.arange(len(z)), 0.3)
    sound = torch.ones(len(z), dtype=torch.bool)
    sound[list(lost)] = False
    assert torch.equal(torch.cat(list(split.training())), z[sound & ~out])
    assert torch.equal(torch.cat(list(split.held_out())), z[sound & out])
    moments = Moments.of(split.training())
    assert moments.count == int((sound & ~out).sum())
    torch.testing.assert_close(moments.mean, z[sound & ~out].double().mean(0))


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 17), st.permutations(range(60)))
def test_some_codes_are_the_same_however_they_are_stored(tmp_path_factory, parts, order):
    ids, z = torch.tensor(order), codes(60)
    here = Split(store_of(tmp_path_factory.mktemp("s"), z[ids], parts, ids=ids), 0.3)
    there = Split(store_of(tmp_path_factory.mktemp("s"), z, 1), 0.3)
    for held_out in (True, False):
        assert torch.equal(here.some(9, held_out), there.some(9, held_out))
        part = there.held_out() if held_out else there.training()
        every = here.some(1000, held_out)
        assert sorted(every.tolist()) == sorted(torch.cat(list(part)).tolist())
        assert torch.equal(every[:9], here.some(9, held_out))


def test_a_likelihood_is_the_mean_over_all_batches():
    z = codes(50)
    found = likelihood(Normal(2), z.split([20, 30]))
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z.double()).sum(1).mean().item()
    assert (found.count, found.outside, found.reason) == (50, 0, "")
    assert found.mean == pytest.approx(expected, rel=1e-12)


def test_codes_outside_make_it_none_and_are_counted():
    box = Box(torch.tensor([-1.0]), torch.tensor([1.0]))
    found = likelihood(box, [torch.tensor([[0.5], [2.0]]), torch.tensor([[-3.0], [0.0]])])
    assert (found.count, found.mean, found.outside) == (4, None, 0.5)
    assert likelihood(box, []).mean is None


def test_a_prior_without_a_density_says_why():
    z = torch.cat([codes(40), torch.zeros(40, 1)], 1)
    found = likelihood(Gaussian.fit(Moments.empty(3).update(z)), z.split(10))
    assert (found.count, found.mean) == (40, None)
    assert "span 2 of 3 dimensions" in found.reason
