"""Count, mean and second moments of codes that stream by, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from preimage.errors import PreimageError

if TYPE_CHECKING:
    from preimage.latents.store import Store


@dataclass(frozen=True)
class Moments:
    """The sums that mean and covariance follow from; the order of merging changes nothing.

    count: codes seen. total: (d,) float64, their sum. gram: (d, d) float64, the uncentred sum of z z^T.
    """

    count: int
    total: Tensor
    gram: Tensor

    @classmethod
    def empty(cls, latent_dim: int) -> Moments:
        return cls(
            0,
            torch.zeros(latent_dim, dtype=torch.float64),
            torch.zeros(latent_dim, latent_dim, dtype=torch.float64),
        )

    def update(self, z: Tensor) -> Moments:
        """With codes z: (n, d) float32 added; the products are taken where z is, sums stay on the CPU."""
        exact = z.detach().to(torch.float64)
        return self.merge(Moments(len(z), exact.sum(0).cpu(), (exact.T @ exact).cpu()))

    def merge(self, other: Moments) -> Moments:
        """Of both sets of codes, as from two workers."""
        return Moments(self.count + other.count, self.total + other.total, self.gram + other.gram)

    @property
    def mean(self) -> Tensor:
        """(d,) float64. Raises PreimageError without codes."""
        if self.count < 1:
            raise PreimageError("no codes: a mean needs at least one")
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """(d, d) float64, over n - 1 as `torch.cov`. Raises PreimageError for fewer than two codes."""
        if self.count < 2:
            raise PreimageError(f"{self.count} codes: a covariance needs at least two")
        return (self.gram - self.count * torch.outer(self.mean, self.mean)) / (self.count - 1)


def store_moments(store: Store) -> Moments:
    """Of the codes of a store, but those of images that diverged."""
    moments = Moments.empty(store.latent_dim)
    for codes in store.batches(("z", "loss")):
        moments = moments.update(codes.z[~codes.diverged])
    return moments
