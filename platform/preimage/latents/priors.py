"""The priors that codes are drawn from."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

PriorName = Literal["normal", "uniform"]
Support = Literal["anywhere", "box", "ball"]


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


PRIORS: dict[str, Callable[[int], Prior]] = {"normal": Normal, "uniform": Uniform}


def make_prior(name: str, latent_dim: int) -> Prior:
    """The prior of that name, one of PRIORS."""
    return PRIORS[name](latent_dim)
