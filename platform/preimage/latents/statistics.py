"""Count, mean and second moments of streamed codes, in float64."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from preimage.errors import PreimageError

if TYPE_CHECKING:
    from preimage.latents.store import Store


@dataclass(frozen=True)
class Moments:
    """The sums behind mean and covariance; the order of merging does not matter.

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

    @classmethod
    def of(cls, batches: Iterable[Tensor]) -> Moments:
        """The moments of streamed codes (n, d). Raises PreimageError without any."""
        moments: Moments | None = None
        for z in batches:
            moments = (moments or cls.empty(z.shape[1])).update(z)
        if moments is None:
            raise PreimageError("moments need at least one code but got none")
        return moments

    def plus(self, batches: Iterable[Tensor]) -> Moments:
        """With streamed codes (n, d) added, if there are any."""
        moments = self
        for z in batches:
            moments = moments.update(z)
        return moments

    def update(self, z: Tensor) -> Moments:
        """Add codes z: (n, d) float32. The products are computed on z's device, the sums stay on the CPU."""
        exact = z.detach().to(torch.float64)
        return self.merge(Moments(len(z), exact.sum(0).cpu(), (exact.T @ exact).cpu()))

    def merge(self, other: Moments) -> Moments:
        """The moments of both sets of codes, as from two workers."""
        return Moments(self.count + other.count, self.total + other.total, self.gram + other.gram)

    @property
    def mean(self) -> Tensor:
        """(d,) float64. Raises PreimageError without codes."""
        if self.count < 1:
            raise PreimageError("a mean needs at least one code but got none")
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """(d, d) float64, divided by n - 1 like `torch.cov`. Raises PreimageError below two codes."""
        if self.count < 2:
            raise PreimageError(f"a covariance needs at least two codes but got {self.count}")
        return (self.gram - self.count * torch.outer(self.mean, self.mean)) / (self.count - 1)


def store_moments(store: Store) -> Moments:
    """The moments of a store's codes, without those of diverged images."""
    return Moments.empty(store.latent_dim).plus(codes.z for codes in store.without_diverged(("z",)))
