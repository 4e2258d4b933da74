"""Directions in which codes vary, or in which images change most."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from preimage.latents.priors import Gaussian, Normal, Prior, Uniform
from preimage.latents.statistics import Moments
from preimage.random_streams import Stream

DRAWS = 16_384
"""Draws of a prior whose covariance has no formula."""
NEARLY = 0.99
"""Components at least so large, relative to the largest, count as the largest."""


@dataclass(frozen=True, eq=False)
class Directions:
    """k orthogonal directions from a code, the most important first."""

    vectors: np.ndarray
    """(k, d) float32, of unit length; see `signed`."""
    scales: np.ndarray
    """(k,) float64: the codes' standard deviation along each, or the Jacobian's singular values: a step of
    length s changes the image's values, in [-1, 1], by s times this over the root of their number, in root
    mean square."""
    share: np.ndarray
    """(k,) float64: of all variance; of all squared change, NaN where not all of that is known."""
    centre: np.ndarray
    """(d,) float32: the codes' mean, or the code itself."""

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def alike(self) -> bool:
        """Whether the codes vary alike in all of them, so that none comes first."""
        return len(self) > 1 and bool((self.scales == self.scales[0]).all())

    def first(self, count: int) -> "Directions":
        """The most important ones."""
        return Directions(self.vectors[:count], self.scales[:count], self.share[:count], self.centre)


def principal_directions(moments: Moments, count: int) -> Directions:
    """The codes' principal directions, at most d. Raises PreimageError for fewer than two codes."""
    return _principal(moments.mean, moments.covariance, count)


def principal_of_prior(prior: Prior, count: int) -> Directions:
    """Those of a prior's codes: the axes, where it varies alike in every direction."""
    return _principal(*mean_and_covariance(prior), count)


def mean_and_covariance(prior: Prior) -> tuple[Tensor, Tensor]:
    """(d,) and (d, d) float64: a fixed or Gaussian prior's, before any projection onto the ball; of others
    those of draws, always the same ones."""
    if isinstance(prior, Normal | Uniform):
        dim = prior.latent_dim
        return torch.zeros(dim).double(), prior.std**2 * torch.eye(dim).double()
    if isinstance(prior, Gaussian):
        root = prior.root.double()
        return prior.mean.double(), root @ root.T
    drawn = Moments.of([prior.sample(DRAWS, Stream.PRIOR_COVARIANCE.generator(0))])
    return drawn.mean, drawn.covariance


def signed(vectors: Tensor) -> Tensor:
    """Directions (k, d), each turned so that its largest component is positive; of several that are nearly
    as large the first. So a slider does not flip from one session to the next."""
    size = vectors.abs()
    first = (size >= NEARLY * size.amax(1, keepdim=True)).double().argmax(1, keepdim=True)
    return vectors * vectors.gather(1, first).sign()


def _principal(mean: Tensor, covariance: Tensor, count: int) -> Directions:
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0).clamp_min(0), vectors.T.flip(0)
    if bool((values == values[0]).all()):
        vectors = torch.eye(len(values)).double()  # in their own order
    share = values / values.sum().clamp_min(torch.finfo(torch.float64).tiny)
    return Directions(
        vectors=signed(vectors[:count]).float().numpy(),
        scales=values[:count].sqrt().numpy(),
        share=share[:count].numpy(),
        centre=mean.float().numpy(),
    )
