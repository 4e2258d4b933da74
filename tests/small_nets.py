"""Generators small enough for closed forms."""

import torch
from torch import nn


def seeded(*shape: int, seed: int = 0, law=torch.randn) -> torch.Tensor:
    return law(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """A generator with a known best code for every image: least squares."""

    def __init__(self, dim: int = 3, pixels: int = 16) -> None:
        super().__init__()
        self.weight = nn.Parameter(seeded(pixels, dim))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return (codes @ self.weight.T).view(len(codes), 1, 4, 4)


def of_singular_values(values: list[float]) -> Linear:
    """A linear generator of 16 pixels with these singular values."""
    generator, (left, _, right) = Linear(len(values)), torch.linalg.svd(seeded(16, len(values)).double())
    with torch.no_grad():
        generator.weight.copy_(left[:, : len(values)] * torch.tensor(values).double() @ right)
    return generator


class Expanding(nn.Module):
    """Two layers that make each code's image its own (partial-measurements, theorem 1)."""

    def __init__(self, dim: int = 3) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(seeded(48, dim)), nn.Parameter(seeded(64, 48, seed=1) / 7)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        hidden = torch.nn.functional.leaky_relu(codes @ self.first.T, 0.2)
        return torch.tanh(hidden @ self.second.T / 2).view(len(codes), 1, 8, 8)


def least_squares(generator: Linear, images: torch.Tensor) -> torch.Tensor:
    weight = generator.weight.detach().double()
    return torch.linalg.lstsq(weight, images.flatten(1).T.double()).solution.T
