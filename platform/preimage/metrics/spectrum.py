"""How evenly codes use their dimensions (glo, figure 2; flexible-priors, figure 8)."""

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


def effective_rank(singular_values: Tensor) -> float:
    """The number of dimensions that codes use: e to the entropy of their singular values (d,), as shares of
    the sum (Roy and Vetterli 2007). d if all are equal, k if k are equal and the others 0."""
    shares = singular_values.double() / singular_values.sum()
    return torch.special.entr(shares).sum().exp().item()
