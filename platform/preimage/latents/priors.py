"""The priors that codes are drawn from: fixed ones, known by their names, and a Gaussian fitted to codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from preimage.errors import PreimageError
from preimage.float32 import float32_products

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from preimage.latents.statistics import Moments

PriorName = Literal["normal", "uniform", "gaussian", "gaussian-in-ball", "fitted"]
"""`gaussian`, and `gaussian-in-ball`, whose codes are projected onto the unit ball, are fitted to the codes
of a training run; `fitted` is any prior fitted before (`fitted.py`)."""
Support = Literal["anywhere", "box", "ball"]

ROUNDING = 2.0**-23
"""The relative rounding error of codes and parameters: a smaller extent, beside the largest, is unknown."""


def support_of(prior: str | None) -> Support:
    """Where the codes of a prior are, by its name; anywhere if it is not known."""
    bounded: dict[str | None, Support] = {"uniform": "box", "gaussian-in-ball": "ball"}
    return bounded.get(prior, "anywhere")


class Prior(Protocol):
    """A distribution of codes of `latent_dim` components."""

    @property
    def name(self) -> str: ...

    @property
    def latent_dim(self) -> int: ...

    @property
    def std(self) -> float:
        """Standard deviation of one component."""
        ...

    @property
    def support(self) -> Support:
        """Where its codes are: anywhere, in [-1, 1]^d, or in the unit ball."""
        ...

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, d) float32 on the generator's device."""
        ...


class NoDensityError(PreimageError):
    """A prior without a density: its codes fill no volume, or their distribution is unknown."""


class Dense(Prior, Protocol):
    """A prior that can be asked for its density."""

    def log_density(self, z: Tensor) -> Tensor:
        """(n,) float64 in nats, at codes z (n, d), computed in float64; -inf outside the prior's support.

        Raises NoDensityError for a prior without one.
        """
        ...


@dataclass(frozen=True)
class Normal:
    """N(0, I)."""

    latent_dim: int
    name: str = "normal"
    std: float = 1.0
    support: Support = "anywhere"

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        import torch

        return torch.randn(count, self.latent_dim, generator=generator, device=generator.device)

    def log_density(self, z: Tensor) -> Tensor:
        return log_normal(z.double())


@dataclass(frozen=True)
class Uniform:
    """Uniform on [-1, 1]^d."""

    latent_dim: int
    name: str = "uniform"
    std: float = 1 / math.sqrt(3)
    support: Support = "box"

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        import torch

        return torch.rand(count, self.latent_dim, generator=generator, device=generator.device) * 2 - 1

    def log_density(self, z: Tensor) -> Tensor:
        import torch

        inside = (z.abs() <= 1).all(1)
        density = torch.full((len(z),), -self.latent_dim * math.log(2), dtype=torch.float64, device=z.device)
        return density.where(inside, -torch.inf)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(mean, root root^T), fitted to codes (glo, section 3.3.2); with support `ball`, projected onto it.

    mean: (d,) float32, root: (d, d) float32.
    """

    mean: Tensor
    root: Tensor
    support: Support = "anywhere"

    @classmethod
    def fit(cls, moments: Moments, support: Support = "anywhere") -> Gaussian:
        """Fit the mean and the full covariance of codes, which may span fewer dimensions than d.

        Raises PreimageError for fewer than two codes.
        """
        import torch

        values, vectors = torch.linalg.eigh(moments.covariance)
        root = vectors * values.clamp_min(0).sqrt()
        return cls(moments.mean.float(), root.float().contiguous(), support)  # the same as from a file

    @property
    def name(self) -> str:
        return "gaussian-in-ball" if self.support == "ball" else "gaussian"

    @property
    def latent_dim(self) -> int:
        return len(self.mean)

    @property
    def std(self) -> float:
        """The root of the mean variance of a component, before any projection."""
        return (self.root.square().sum() / self.latent_dim).sqrt().item()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        import torch

        return self.of(torch.randn(count, self.latent_dim, generator=generator, device=generator.device))

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to rebuild it."""
        return {"mean": self.mean, "root": self.root}

    @float32_products("ieee")
    def of(self, noise: Tensor) -> Tensor:
        """Map standard normal noise (n, d) to codes (n, d)."""
        codes = self.mean.to(noise.device) + noise @ self.root.to(noise.device).T
        return project(codes) if self.support == "ball" else codes

    def log_density(self, z: Tensor) -> Tensor:
        """Refused for a singular covariance: a density on the span of the codes, by the pseudo-determinant,
        has different units for every rank and is zero at almost every other code, so it compares with
        nothing."""
        import torch

        if self.support == "ball":
            raise NoDensityError("codes projected onto the ball's surface have no density")
        axes, lengths, _ = torch.linalg.svd(self.root.to(z.device, torch.float64))
        require_volume(lengths, ROUNDING * len(lengths) * lengths.max())
        away = z.double() - self.mean.to(z.device)
        return log_normal(away @ axes / lengths) - lengths.log().sum()


PRIORS: dict[str, Callable[[int], Dense]] = {"normal": Normal, "uniform": Uniform}


def make_prior(name: str, latent_dim: int) -> Dense:
    """The prior of that name, one of PRIORS. Raises PreimageError for one that must be fitted."""
    if name not in PRIORS:
        raise PreimageError(f"a {name} prior is fitted to codes: load it from its generator's folder")
    return PRIORS[name](latent_dim)


def project(codes: Tensor) -> Tensor:
    """Codes (n, d) on the unit ball: divided by max(|z|, 1) (glo, section 2)."""
    return codes / codes.norm(dim=1, keepdim=True).clamp_min(1)


def log_normal(z: Tensor) -> Tensor:
    """The log density (...) of N(0, I) at z (..., d)."""
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * math.log(2 * math.pi))


def require_volume(lengths: Tensor, least: Tensor) -> None:
    """Raise NoDensityError if any of a prior's extents (d,) along its axes is not above `least`."""
    if flat := int((lengths <= least).sum()):
        raise NoDensityError(
            f"codes that span {len(lengths) - flat} of {len(lengths)} dimensions have no density"
        )
