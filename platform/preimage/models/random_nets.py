"""Generators with random weights, which the theory of inversion is about."""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, log
from typing import Literal

import torch
from torch import Tensor, nn

from preimage.models.random_net_kinds import Activation, WeightLaw

_ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.2),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
_CALIBRATION = 256
"""Codes to calibrate a gain of "unit" on."""


class RandomNet(nn.Module):
    """Codes (N, d) to images (N, C, H, W) by transposed convolutions without bias, each followed by the
    activation (partial-measurements, eq. 2).

    channels: of the code, d, of every feature map, and of the image: (2, 16, 1) in the paper's
    section 4.2; kernel, stride: in pixels. weights: `normal`, N(0, 1); `uniform`, on [0, 1] (figure 4d);
    `theorem`, N(0, 1/(C_i l)) with l = kernel squared and C_i the layer's output channels (theorem 1);
    `uniform-zero-mean` and `rademacher`, uniform on [-a, a] and +-1 with equal odds, of the theorem's
    variance (conjecture 3). gain: multiplies all weights; "unit" scales each layer so that its activation's
    inputs have a mean square of one over codes of N(0, I): with the theorem's weights they are small, and
    tanh is linear there.
    """

    def __init__(
        self,
        channels: Sequence[int] = (2, 16, 1),
        kernel: int = 5,
        stride: int = 3,
        activation: Activation = "relu",
        weights: WeightLaw = "normal",
        gain: float | Literal["unit"] = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim = channels[0]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.ConvTranspose2d(before, after, kernel, stride, bias=False)]
            layers += [_ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*layers).requires_grad_(False)
        random = torch.Generator().manual_seed(seed)
        for layer in self.convolutions:
            layer.weight.copy_(_draw(weights, layer.weight, random))
        self._scale(gain, random)

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes[:, :, None, None])

    @property
    def convolutions(self) -> list[nn.ConvTranspose2d]:
        """The layers with weights."""
        return [layer for layer in self.layers if isinstance(layer, nn.ConvTranspose2d)]

    def _scale(self, gain: float | Literal["unit"], random: torch.Generator) -> None:
        values = torch.randn(_CALIBRATION, self.latent_dim, 1, 1, generator=random)
        for layer in self.layers:
            if isinstance(layer, nn.ConvTranspose2d):
                layer.weight *= layer(values).square().mean().rsqrt() if gain == "unit" else gain
            values = layer(values)


def expansivity(channels: Sequence[int], kernel: int, rate: float = 1.0) -> tuple[float, ...]:
    """How much each layer expands, by theorem 1: C_i l / (C_{i-1} log C_{i-1}); the last one times the
    fraction of the image that is seen (theorem 4).

    The theorems require every layer to be above a constant that they do not state.
    """
    *inner, last = (
        after * kernel**2 / (before * log(before)) if before > 1 else inf
        for before, after in pairwise(channels)
    )
    return (*inner, rate * last)


def _draw(law: WeightLaw, weight: Tensor, random: torch.Generator) -> Tensor:
    """Random weights (C_in, C_out, kernel, kernel) from a distribution."""
    std = weight[0].numel() ** -0.5  # theorem 1's
    if law in ("normal", "theorem"):
        return torch.randn(weight.shape, generator=random) * (std if law == "theorem" else 1.0)
    drawn = torch.rand(weight.shape, generator=random)
    if law == "uniform":
        return drawn
    return (drawn - 0.5) * 12**0.5 * std if law == "uniform-zero-mean" else (drawn - 0.5).sign() * std
