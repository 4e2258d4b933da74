"""Codes as functions of standard normal noise, in which a prior is N(0, I)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.browsing.directions import mean_and_covariance
from preimage.float32 import float32_products
from preimage.inversion.labels import classes_of, generate
from preimage.latents.priors import ROUNDING, Normal, Prior, Uniform, project

EDGE = 1 - 1e-6
"""A component further out counts as this."""


@dataclass(frozen=True, eq=False)
class Noise:
    """A prior's codes z of noise n ~ N(0, I), and back: z = mean + root n, and for a uniform prior
    z = 2 Phi(n) - 1. A prior that is neither is replaced by the Gaussian with its mean and covariance."""

    latent_dim: int
    uniform: bool = False
    ball: bool = False
    """Codes outside the unit ball are projected onto it."""
    mean: Tensor | None = None
    """(d,); None: zero, and `root` the identity."""
    root: Tensor | None = None
    """(d, d) symmetric."""
    inverse: Tensor | None = None
    """(d, d), its pseudo-inverse."""

    @classmethod
    def of_prior(cls, prior: Prior) -> "Noise":
        dim = prior.latent_dim
        if isinstance(prior, Normal | Uniform):
            return cls(dim, uniform=isinstance(prior, Uniform))
        mean, covariance = mean_and_covariance(prior)
        values, vectors = torch.linalg.eigh(covariance)
        scales = values.clamp_min(0).sqrt()
        known = scales > ROUNDING * dim * scales[-1]
        back = torch.where(known, 1 / scales, 0)
        root, inverse = ((vectors * each) @ vectors.T for each in (scales, back))
        return cls(dim, False, prior.support == "ball", mean.float(), root.float(), inverse.float())

    @float32_products("ieee")
    def codes(self, noise: Tensor) -> Tensor:
        """(n, d) of noise (n, d)."""
        if self.uniform:
            return torch.erf(noise / 2**0.5)
        if self.mean is None or self.root is None:
            return noise
        codes = self.mean + noise @ self.root
        return project(codes) if self.ball else codes

    @float32_products("ieee")
    def noise(self, codes: Tensor) -> Tensor:
        """(n, d) of codes (n, d); of codes that the prior does not reach, the nearest it knows."""
        if self.uniform:
            return torch.erfinv(codes.clamp(-EDGE, EDGE)) * 2**0.5
        if self.mean is None or self.inverse is None:
            return codes
        return (codes - self.mean) @ self.inverse


class FromNoise(nn.Module):
    """A generator as a function of the noise behind its codes."""

    def __init__(self, generator: nn.Module, noise: Noise) -> None:
        super().__init__()
        self.generator, self.noise, self.classes = generator, noise, classes_of(generator)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return generate(self.generator, self.noise.codes(noise), labels)
