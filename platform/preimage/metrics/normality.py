"""How close a layer's weights are to a zero-mean normal distribution (partial-measurements, 4.1, fig. 3)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.errors import PreimageError

LILLIEFORS = 0.886
"""Divided by sqrt(n): the KS distance that 95% of large samples of n normal numbers stay below, with fitted
mean and standard deviation (Lilliefors 1967)."""


@dataclass(frozen=True)
class Normality:
    """Of n numbers. If normal, `ks` is below `ks_normal` in 95% of samples, and the kurtosis near zero."""

    count: int
    mean: float
    std: float
    ks: float
    """Kolmogorov-Smirnov distance to the normal distribution of this mean and standard deviation."""
    excess_kurtosis: float
    """Fourth central moment over the squared variance, minus 3: positive for tails heavier than normal."""

    @property
    def ks_normal(self) -> float:
        return LILLIEFORS / math.sqrt(self.count)

    @property
    def offset(self) -> float:
        """The mean in standard deviations; the paper's normal distribution has mean zero."""
        return self.mean / self.std


def normality(numbers: Tensor) -> Normality:
    """Compare numbers of any shape with the normal distribution fitted to them, in float64.

    Raises PreimageError if they are all equal, or not all finite.
    """
    values = numbers.detach().flatten().to("cpu", torch.float64).sort().values
    if not torch.isfinite(values).all():
        raise PreimageError("the numbers must all be finite to fit a normal distribution")
    if len(values) < 2 or values[0] == values[-1]:
        raise PreimageError("the numbers must vary to fit a normal distribution")
    mean, std = values.mean(), values.std(correction=0)
    scaled = (values - mean) / std
    below = torch.special.ndtr(scaled)
    steps = torch.arange(len(values) + 1, dtype=torch.float64) / len(values)
    ks = torch.maximum(steps[1:] - below, below - steps[:-1]).max()
    kurtosis = scaled.pow(4).mean() - 3
    return Normality(len(values), mean.item(), std.item(), ks.item(), kurtosis.item())


def layer_weights(network: nn.Module) -> dict[str, Tensor]:
    """The weights of every layer, such as a convolution's filters, from the input on: layer1, layer2, ...

    Biases and the scales of normalisation layers, which are vectors, are left out.
    """
    weights = [each.detach() for each in network.parameters() if each.dim() > 1]
    return {f"layer{i}": each for i, each in enumerate(weights, 1)}
