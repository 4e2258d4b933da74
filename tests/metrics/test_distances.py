"""The energy distance against closed forms and its invariances."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import energy_distance as scipy_distance

from preimage.errors import PreimageError
from preimage.metrics import distances
from preimage.metrics.distances import energy_distance


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_of_four_codes_it_is_what_is_written_down():
    x, y = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [0.0, 2.0]])
    between = (0 + 2 + 5 + math.hypot(3, 2)) / 4
    assert energy_distance(x, y) == pytest.approx(2 * between - 5 - 2, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), n=st.integers(2, 30), m=st.integers(2, 30))
def test_in_one_dimension_it_is_the_area_between_distribution_functions(seed, n, m):
    """SciPy's is the root of 2 int (F - G)^2, of pairs of a code with itself too: here they do not count."""
    x, y = numbers(n, 1, seed=seed), 2 * numbers(m, 1, seed=seed + 1) + 1
    within = [torch.cdist(z, z).mean().item() / (len(z) - 1) for z in (x, y)]
    expected = scipy_distance(x[:, 0], y[:, 0]) ** 2 - sum(within)
    assert energy_distance(x, y) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_of_two_normal_sets_it_is_their_distributions(shift):
    """E|N(s, 2)| is known; unbiased, so that the mean over many small sets is right."""
    folded = 2 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)
    expected = 2 * folded - 4 / math.sqrt(math.pi)
    found = torch.tensor(
        [
            energy_distance(numbers(12, 1, seed=2 * i), numbers(9, 1, seed=2 * i + 1) + shift)
            for i in range(800)
        ]
    )
    error = found.std().item() / math.sqrt(len(found))
    assert error < 0.03
    assert found.mean().item() == pytest.approx(expected, abs=4 * error)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), scale=st.floats(0.01, 100), shift=st.floats(-1e4, 1e4))
def test_moving_and_turning_change_nothing_and_it_grows_with_the_codes(seed, scale, shift):
    x, y = numbers(20, 4, seed=seed), numbers(15, 4, seed=seed + 1) * 1.5
    turn = torch.linalg.qr(numbers(4, 4, seed=seed + 2)).Q
    plain = energy_distance(x, y)
    assert energy_distance(y, x) == pytest.approx(plain, rel=1e-9, abs=1e-12)
    assert energy_distance(x.flip(0), y.flip(0)) == pytest.approx(plain, rel=1e-9, abs=1e-12)
    assert energy_distance(x @ turn + shift, y @ turn + shift) == pytest.approx(plain, rel=1e-6, abs=1e-6)
    assert energy_distance(scale * x, scale * y) == pytest.approx(scale * plain, rel=1e-9, abs=1e-9)


def test_chunks_change_nothing(monkeypatch):
    x, y = numbers(50, 3), numbers(41, 3, seed=1)
    whole = energy_distance(x, y)
    monkeypatch.setattr(distances, "CHUNK", 7)
    assert energy_distance(x, y) == pytest.approx(whole, abs=1e-9)


def test_one_code_has_no_other():
    with pytest.raises(PreimageError, match="needs at least two codes in each set but got 1 and 3"):
        energy_distance(numbers(1, 2), numbers(3, 2))
