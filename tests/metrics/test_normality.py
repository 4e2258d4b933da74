import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from preimage.errors import PreimageError
from preimage.metrics.normality import layer_weights, normality

DRAWS = 20_000


def normal(seed=0, count=DRAWS):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(count=DRAWS):
    """The middles of equal intervals of [0, 1]: no chance in it."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def test_normal_numbers_are_normal():
    found = [normality(0.02 * normal(seed) + 0.3) for seed in range(40)]
    assert sum(each.ks > each.ks_normal for each in found) <= 7  # 2 expected of 40
    assert all(abs(each.excess_kurtosis) < 5 * math.sqrt(24 / DRAWS) for each in found)
    assert all(each.offset == pytest.approx(15, rel=0.05) for each in found)


def test_the_quantiles_of_a_normal_distribution_are_as_near_as_can_be():
    found = normality(torch.special.ndtri(uniform(1000)))
    assert found.ks < 1.4 / 2000


def test_uniform_numbers_are_not():
    """Kurtosis 9/5; |Phi(t) - 1/2 - t / sqrt(12)| is largest where phi(t) = 1 / sqrt(12)."""
    found = normality(uniform())
    t = math.sqrt(2 * math.log(math.sqrt(12) / math.sqrt(2 * math.pi)))
    expected = 0.5 * math.erf(t / math.sqrt(2)) - t / math.sqrt(12)
    assert found.excess_kurtosis == pytest.approx(-1.2, abs=1e-6)
    assert found.ks == pytest.approx(expected, abs=1e-4)
    assert found.ks > 5 * found.ks_normal


def test_two_values_are_as_far_as_their_cdf_says():
    found = normality(torch.tensor([-1.0, 1.0] * 50))
    assert found.excess_kurtosis == pytest.approx(-2)
    assert found.ks == pytest.approx(0.5 - 0.5 * math.erfc(1 / math.sqrt(2)))


@settings(deadline=None, max_examples=25)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), flip=st.booleans())
def test_scale_place_and_sign_change_nothing(scale, shift, flip):
    numbers = normal(count=500).exp()
    plain, moved = normality(numbers), normality((-1 if flip else 1) * scale * numbers + shift * scale)
    assert moved.ks == pytest.approx(plain.ks, rel=1e-6)
    assert moved.excess_kurtosis == pytest.approx(plain.excess_kurtosis, rel=1e-6)


@pytest.mark.parametrize("numbers", [[], [1.0], [2.0, 2.0, 2.0], [1.0, math.nan], [0.0, math.inf]])
def test_numbers_without_a_distribution_are_refused(numbers):
    with pytest.raises(PreimageError, match="to fit a normal distribution"):
        normality(torch.tensor(numbers))


def test_the_weights_of_a_generator_are_its_convolutions_in_order(tiny_generator):
    weights = layer_weights(tiny_generator)
    assert list(weights) == ["layer1", "layer2", "layer3"]
    assert [each.shape[0] for each in weights.values()] == [4, 8, 4]
    first = next(module for module in tiny_generator.modules() if isinstance(module, nn.ConvTranspose2d))
    assert torch.equal(weights["layer1"], first.weight)
