"""Whether codes are determined at all: the spectrum of J J^T at a sample of them, J the generator's Jacobian.

J J^T is half the Hessian of a code's squared loss, up to the residual's share. Its rank is counted as numpy's
matrix_rank does for a d x d matrix of float32, in which searches compute: an eigenvalue below d times the
rounding error of the largest is lost in it, and nothing then holds the code in that direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from preimage.config import Config

if TYPE_CHECKING:
    from torch import Tensor


class RankSummary(Config):
    """The eigenvalues of J J^T / pixels at some codes: how much a step in each direction changes an image."""

    codes: int
    """How many codes were looked at."""
    rank: int
    """Directions above the threshold; the median over the codes."""
    lowest_rank: int
    smallest_eigenvalue: float
    """The median over the codes."""
    condition_number: float
    """The largest eigenvalue over the smallest, the median over the codes; at most 1 / threshold, beyond
    which the smallest is rounding error."""
    directions_below: float
    """The share of all directions that are below the threshold."""


class LocalRank(Config):
    """The summary at codes that were found, and at codes drawn from the prior."""

    latent_dim: int
    threshold: float
    """Relative to each code's largest eigenvalue."""
    found: RankSummary
    prior: RankSummary


def local_rank(eigenvalues: Mapping[str, Tensor]) -> LocalRank:
    """The summary of eigenvalues (n, d) at codes `found` and at draws of the `prior`."""
    dim = eigenvalues["found"].shape[1]
    return LocalRank(
        latent_dim=dim,
        threshold=rank_threshold(dim),
        found=rank_of(eigenvalues["found"]),
        prior=rank_of(eigenvalues["prior"]),
    )


def rank_threshold(latent_dim: int) -> float:
    """The eigenvalue, relative to the largest, below which a direction counts as undetermined."""
    import torch

    return latent_dim * torch.finfo(torch.float32).eps


def rank_of(eigenvalues: Tensor) -> RankSummary:
    """Summarise eigenvalues (n, d), ascending and not negative, of at least one code."""
    import torch

    threshold = rank_threshold(eigenvalues.shape[1])
    smallest, largest = eigenvalues[:, 0], eigenvalues[:, -1]
    above = eigenvalues > threshold * largest[:, None]
    condition = torch.where(above[:, 0], largest / smallest, 1 / threshold)
    return RankSummary(
        codes=len(eigenvalues),
        rank=int(above.sum(1).median()),
        lowest_rank=int(above.sum(1).min()),
        smallest_eigenvalue=smallest.median().item(),
        condition_number=condition.median().item(),
        directions_below=1 - above.double().mean().item(),
    )
