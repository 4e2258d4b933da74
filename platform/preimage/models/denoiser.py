"""The denoising auto-encoder of a discriminator's features (denoising-feature-matching, section 3)."""

import torch
from torch import Tensor, nn


class Denoiser(nn.Module):
    """Features (N, n) to features (N, n): `depth` hidden layers of `width` units, each with BatchNorm and
    ReLU, and a linear output layer (section 5). Without hidden layers it is one affine map."""

    def __init__(self, features: int, width: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = features
        for _ in range(depth):
            layers += [nn.Linear(before, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, features))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


def build_denoiser(features: int, width: int, depth: int, seed: int) -> Denoiser:
    """A denoiser with weights from this seed alone, whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Denoiser(features, width, depth)
