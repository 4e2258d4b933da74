"""The spectrum of J J^T, and what is counted of it."""

import pytest
import torch
from torch import nn

from preimage.inversion.local_rank import jacobian_eigenvalues
from preimage.latents.local_rank import rank_of, rank_threshold
from small_nets import of_singular_values, seeded


def test_a_linear_generators_are_its_squared_singular_values_over_the_pixels():
    found = jacobian_eigenvalues(of_singular_values([4.0, 2.0, 0.5]), seeded(6, 3))
    assert torch.allclose(found, torch.tensor([0.25, 4.0, 16.0]).double() / 16, rtol=1e-5)
    summary = rank_of(found)
    assert (summary.codes, summary.rank, summary.lowest_rank, summary.directions_below) == (6, 3, 3, 0)
    assert summary.condition_number == pytest.approx(64, rel=1e-5)
    assert summary.smallest_eigenvalue == pytest.approx(1 / 64, rel=1e-5)


def test_directions_that_change_nothing_are_below_the_threshold():
    summary = rank_of(jacobian_eigenvalues(of_singular_values([4.0, 2.0, 1e-5, 0.0]), seeded(5, 4)))
    assert (summary.rank, summary.lowest_rank, summary.directions_below) == (2, 2, 0.5)
    assert summary.condition_number == 1 / rank_threshold(4)


def test_a_constant_generator_determines_no_direction():
    summary = rank_of(jacobian_eigenvalues(of_singular_values([0.0, 0.0]), seeded(3, 2)))
    assert (summary.rank, summary.smallest_eigenvalue, summary.directions_below) == (0, 0, 1)


class Bent(nn.Module):
    """Of two directions the second counts where the first component is positive; below -9 are no images."""

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        first, second = codes.T
        made = torch.stack([2 * first.where(first > -9, first.sqrt()), 3 * second * (first > 0)], 1)
        return made.view(-1, 1, 1, 2)


def test_it_is_local_and_skips_codes_without_a_derivative():
    codes = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-10.0, 1.0], [2.0, 0.0], [3.0, 0.0]])
    with torch.inference_mode():
        found = jacobian_eigenvalues(Bent(), codes)
    assert torch.allclose(found, torch.tensor([[4.0, 9], [0, 4], [4, 9], [4, 9]]).double() / 2)
    summary = rank_of(found)
    assert (summary.codes, summary.rank, summary.lowest_rank, summary.directions_below) == (4, 2, 1, 1 / 8)
