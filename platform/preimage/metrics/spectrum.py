"""How evenly codes use their dimensions (glo, figure 2)."""

import torch
from torch import Tensor

from preimage.errors import StoreError
from preimage.latents.statistics import Moments


def explained_by_directions(moments: Moments) -> Tensor:
    """(d,) float64, ascending to 1: the fraction of the codes' variance in the first k principal directions.

    These are the singular vectors of the centred codes, by descending singular value; isotropic codes give
    k / d. Raises PreimageError for fewer than two codes, StoreError if all codes are the same.
    """
    variances = torch.linalg.eigvalsh(moments.covariance).flip(0).clamp_min(0)
    if not variances.sum() > 0:
        raise StoreError("all codes are the same: they have no spectrum")
    return variances.cumsum(0) / variances.sum()


def directions_for(share: float, explained: Tensor) -> int:
    """The fewest principal directions with this fraction of the variance; explained: (d,)."""
    return min(int((explained < share).sum()) + 1, len(explained))


def effective_rank(explained: Tensor) -> float:
    """e to the entropy of the directions' shares of the variance: 1 if one direction holds all of it, d if
    all hold the same (Roy and Vetterli 2007, there of singular values).

    explained: (d,), from `explained_by_directions`.
    """
    shares = torch.diff(explained.double(), prepend=explained.new_zeros(1).double())
    return torch.special.entr(shares).sum().exp().item()
