"""The priors that codes are drawn from: fixed ones, known by their names, and a Gaussian fitted to codes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from preimage.errors import PreimageError
from preimage.latents.statistics import Moments

PriorName = Literal["normal", "uniform", "gaussian", "gaussian-in-ball"]
"""The fitted ones are `gaussian`, and `gaussian-in-ball`, whose codes are projected onto the unit ball."""
Support = Literal["anywhere", "box", "ball"]


def support_of(prior: str) -> Support:
    """Where the codes of a prior are, by its name."""
    bounded: dict[str, Support] = {"uniform": "box", "gaussian-in-ball": "ball"}
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


@dataclass(frozen=True)
class Normal:
    """N(0, I)."""

    latent_dim: int
    name: str = "normal"
    std: float = 1.0
    support: Support = "anywhere"

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, self.latent_dim, generator=generator, device=generator.device)


@dataclass(frozen=True)
class Uniform:
    """Uniform on [-1, 1]^d."""

    latent_dim: int
    name: str = "uniform"
    std: float = 1 / math.sqrt(3)
    support: Support = "box"

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.rand(count, self.latent_dim, generator=generator, device=generator.device) * 2 - 1


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(mean, root root^T), fitted to codes (glo, section 3.3.2); with support `ball` projected onto it.

    mean: (d,) float32, root: (d, d) float32.
    """

    mean: Tensor
    root: Tensor
    support: Support = "anywhere"

    @classmethod
    def fit(cls, moments: Moments, support: Support = "anywhere") -> "Gaussian":
        """With the mean and the full covariance of codes, which may lie in fewer dimensions than d.

        Raises PreimageError for fewer than two codes.
        """
        values, vectors = torch.linalg.eigh(moments.covariance)
        root = vectors * values.clamp_min(0).sqrt()
        return cls(moments.mean.float(), root.float(), support)

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
        return self.of(torch.randn(count, self.latent_dim, generator=generator, device=generator.device))

    def of(self, noise: Tensor) -> Tensor:
        """The codes (n, d) that standard normal noise (n, d) stands for."""
        codes = self.mean.to(noise.device) + noise @ self.root.to(noise.device).T
        return project(codes) if self.support == "ball" else codes


PRIORS: dict[str, Callable[[int], Prior]] = {"normal": Normal, "uniform": Uniform}


def make_prior(name: str, latent_dim: int) -> Prior:
    """The prior of that name, one of PRIORS. Raises PreimageError for one that has to be fitted."""
    if name not in PRIORS:
        raise PreimageError(f"a {name} prior is fitted to codes: it is in its generator's folder only")
    return PRIORS[name](latent_dim)


def project(codes: Tensor) -> Tensor:
    """Codes (n, d) on the unit ball: divided by max(|z|, 1) (glo, section 2)."""
    return codes / codes.norm(dim=1, keepdim=True).clamp_min(1)
