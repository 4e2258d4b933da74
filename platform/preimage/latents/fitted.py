"""Priors fitted to codes: their densities and draws, and how each is rebuilt from named tensors."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from preimage.errors import PreimageError
from preimage.float32 import float32_products
from preimage.latents.prior_kinds import TrainingCodes
from preimage.latents.priors import (
    ROUNDING,
    Gaussian,
    NoDensityError,
    Support,
    log_normal,
    require_volume,
)
from preimage.latents.statistics import Moments


@dataclass(frozen=True, eq=False)
class Diagonal:
    """Independent normal components, each with its own mean and standard deviation: (d,) float32 both."""

    mean: Tensor
    scale: Tensor
    name: str = "diagonal"
    support: Support = "anywhere"

    @classmethod
    def fit(cls, moments: Moments) -> "Diagonal":
        """Raises PreimageError for fewer than two codes."""
        return cls(moments.mean.float(), moments.covariance.diagonal().clamp_min(0).sqrt().float())

    @property
    def latent_dim(self) -> int:
        return len(self.mean)

    @property
    def std(self) -> float:
        """The root of the mean variance of a component."""
        return self.scale.square().mean().sqrt().item()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        noise = torch.randn(count, self.latent_dim, generator=generator, device=generator.device)
        return self.mean.to(noise.device) + noise * self.scale.to(noise.device)

    def log_density(self, z: Tensor) -> Tensor:
        mean, scale = (each.to(z.device, torch.float64) for each in (self.mean, self.scale))
        require_volume(scale, ROUNDING * mean.abs())
        return log_normal((z.double() - mean) / scale) - scale.log().sum()

    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "scale": self.scale}


@dataclass(frozen=True, eq=False)
class Box:
    """Uniform between the minimum and the maximum of each component: (d,) float32 both."""

    low: Tensor
    high: Tensor
    name: str = "box"

    @classmethod
    def fit(cls, batches: Iterable[Tensor]) -> "Box":
        """Fit to codes streamed in batches (n, d). Raises PreimageError without codes."""
        ends = [each.aminmax(dim=0) for each in batches if len(each)]
        if not ends:
            raise PreimageError("a box prior needs at least one code but got none")
        return cls(
            torch.stack([low for low, _ in ends]).amin(0), torch.stack([high for _, high in ends]).amax(0)
        )

    @property
    def latent_dim(self) -> int:
        return len(self.low)

    @property
    def std(self) -> float:
        """The root of the mean variance of a component."""
        return ((self.high - self.low).square().mean() / 12).sqrt().item()

    @property
    def support(self) -> Support:
        return "box" if self.low.min() >= -1 and self.high.max() <= 1 else "anywhere"

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        share = torch.rand(count, self.latent_dim, generator=generator, device=generator.device)
        return torch.lerp(self.low.to(share.device), self.high.to(share.device), share)

    def log_density(self, z: Tensor) -> Tensor:
        low, high = (each.to(z.device) for each in (self.low, self.high))
        lengths = high.double() - low.double()
        require_volume(lengths, torch.zeros(()))
        inside = ((z >= low) & (z <= high)).all(1)
        return -lengths.log().sum().expand(len(z)).where(inside, torch.inf)

    def tensors(self) -> dict[str, Tensor]:
        return {"low": self.low, "high": self.high}


@dataclass(frozen=True, eq=False)
class Network:
    """The codes that a network makes from standard normal noise: PGAN's (flexible-priors, section 3).

    Layer k is ReLU(x W_k^T + b_k), the last one without the ReLU. weights: (out, in) float32 each, from the
    noise's components to the code's; biases: (out,).
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    spread: float
    """The root of the mean variance of a component, measured on the network's own codes."""
    name: str = "pgan"
    support: Support = "anywhere"

    @property
    def latent_dim(self) -> int:
        return len(self.biases[-1])

    @property
    def std(self) -> float:
        return self.spread

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        noise = self.weights[0].shape[1]
        return self.of(torch.randn(count, noise, generator=generator, device=generator.device))

    def log_density(self, z: Tensor) -> Tensor:
        raise NoDensityError("a pgan prior has no known density")

    @float32_products("ieee")
    def of(self, noise: Tensor) -> Tensor:
        """Map noise (n, d') to codes (n, d)."""
        x = noise
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.addmm(bias.to(noise.device), x.relu() if i else x, weight.to(noise.device).T)
        return x

    def tensors(self) -> dict[str, Tensor]:
        named = {f"weight.{i}": each for i, each in enumerate(self.weights)}
        named |= {f"bias.{i}": each for i, each in enumerate(self.biases)}
        return named | {"spread": torch.tensor([self.spread], dtype=torch.float64)}


def rebuild_network(tensors: dict[str, Tensor]) -> Network:
    layers = (len(tensors) - 1) // 2
    weights = tuple(tensors[f"weight.{i}"] for i in range(layers))
    biases = tuple(tensors[f"bias.{i}"] for i in range(layers))
    widths = [weights[0].shape[1], *(len(each) for each in biases)]
    if any(
        each.shape != (after, before) for each, (before, after) in zip(weights, pairwise(widths), strict=True)
    ):
        raise ValueError("the shapes of its network's layers do not fit together")
    return Network(weights, biases, tensors["spread"].item())


def rebuild_gaussian(support: Support, tensors: dict[str, Tensor]) -> Gaussian:
    mean, root = tensors["mean"], tensors["root"]
    if mean.ndim != 1 or root.shape != (len(mean), len(mean)):
        raise ValueError(f"mean {tuple(mean.shape)} and root {tuple(root.shape)} do not match")
    return Gaussian(mean, root, support)


def rebuild_diagonal(tensors: dict[str, Tensor]) -> Diagonal:
    return Diagonal(*_alike(tensors["mean"], tensors["scale"]))


def rebuild_box(tensors: dict[str, Tensor]) -> Box:
    low, high = _alike(tensors["low"], tensors["high"])
    if (low > high).any():
        raise ValueError("a component's minimum is above its maximum")
    return Box(low, high)


def _alike(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    if one.ndim != 1 or one.shape != other.shape:
        raise ValueError(f"parameters of {tuple(one.shape)} and {tuple(other.shape)} do not match")
    return one, other


def fit_diagonal(codes: TrainingCodes, *_: Any) -> Diagonal:
    return Diagonal.fit(Moments.of(codes()))


def fit_box(codes: TrainingCodes, *_: Any) -> Box:
    return Box.fit(codes())


def fit_gaussian(codes: TrainingCodes, *_: Any) -> Gaussian:
    return Gaussian.fit(Moments.of(codes()))
