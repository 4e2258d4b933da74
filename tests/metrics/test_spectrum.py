"""How codes spread over directions: closed forms."""

import math

import pytest
import torch

from preimage.errors import StoreError
from preimage.latents.statistics import Moments, store_moments
from preimage.metrics.spectrum import directions_for, effective_rank, explained_by_directions
from preimage.models.generator_folder import write_generator
from stores import linear_generator, write_store


def moments_of(z):
    return Moments.empty(z.shape[1]).update(z)


def rotation(dim):
    return torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(0)))[0]


def test_isotropic_codes_give_a_straight_line():
    z = torch.cat([torch.eye(5), -torch.eye(5)])
    found = explained_by_directions(moments_of(z + 7))  # the mean does not count
    assert torch.allclose(found, torch.arange(1, 6).double() / 5)
    assert found.dtype == torch.float64


def test_known_variances_in_any_rotation_are_found_largest_first():
    variances = torch.tensor([1.0, 5.0, 0.0, 4.0])
    z = torch.cat([torch.eye(4), -torch.eye(4)]) * variances.sqrt()
    found = explained_by_directions(moments_of(z @ rotation(4)))
    assert torch.allclose(found, torch.tensor([0.5, 0.9, 1.0, 1.0]).double(), atol=1e-6)
    assert [directions_for(share, found) for share in (0.3, 0.6, 0.95)] == [1, 2, 3]


def test_the_effective_rank_counts_directions_that_share_the_variance_evenly():
    for dim in (1, 3, 7):
        codes = torch.cat([torch.eye(dim), -torch.eye(dim)]) @ rotation(9)[:dim]
        assert effective_rank(explained_by_directions(moments_of(codes))) == pytest.approx(dim, rel=1e-5)
    halves = torch.tensor([0.5, 0.75, 1.0]).double()
    assert effective_rank(halves) == pytest.approx(2 ** (0.5 * 1 + 0.5 * 2))


def test_codes_that_are_all_the_same_have_no_spectrum():
    with pytest.raises(StoreError, match="all codes are the same"):
        explained_by_directions(moments_of(torch.ones(4, 2)))


def test_codes_of_images_that_diverged_do_not_count(folder, digits):
    card = write_generator(linear_generator(2, seed=0), folder / "generator", {})
    z = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1], [1e6, 1e6]])
    store = write_store(folder / "store", card, digits, z, digits.read(0, 5).image_id, lost=(4,))
    moments = store_moments(store)
    assert moments.count == 4
    assert explained_by_directions(moments).tolist() == pytest.approx([0.5, 1.0])
    assert math.isclose(moments.total.abs().sum().item(), 0, abs_tol=1e-12)


@pytest.mark.parametrize("used", [1, 3, 8])
def test_the_effective_rank_of_equal_values_is_their_number_at_any_scale(used):
    values = torch.tensor([5.0] * used + [0.0] * (8 - used))
    assert effective_rank(values) == pytest.approx(used, rel=1e-12)
    assert effective_rank(0.01 * values) == pytest.approx(used, rel=1e-6)


def test_the_effective_rank_of_two_values_is_the_entropys():
    p = 0.9
    assert effective_rank(torch.tensor([p, 1 - p])) == pytest.approx(p**-p * (1 - p) ** (p - 1), rel=1e-6)
