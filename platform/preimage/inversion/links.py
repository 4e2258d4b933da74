"""A function of pixels in which images are simpler functions of their codes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.inversion.measurements import Measurement

EDGE = 1 - 1e-6
"""A pixel further out counts as this."""


@dataclass(frozen=True)
class Link:
    """Pixels of any shape to values that searches compare, and the derivative there."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def _same(pixels: Tensor) -> Tensor:
    return pixels


def _atanh(pixels: Tensor) -> Tensor:
    return pixels.clamp(-EDGE, EDGE).atanh()


def _atanh_slope(pixels: Tensor) -> Tensor:
    return 1 / (1 - pixels.clamp(-EDGE, EDGE).square())


IDENTITY = Link(_same, torch.ones_like)
ATANH = Link(_atanh, _atanh_slope)
"""The argument of a final tanh: without it, a ReLU net is piecewise linear."""


def link_of(network: nn.Module, measurement: Measurement) -> Link:
    """What undoes the network's last layer, if that is a tanh and its values are observed as they are: a sum,
    an average or a noisy value is no tanh of anything."""
    seen = measurement.config
    mixed = measurement.operator is not None or seen.pool > 1 or seen.noise > 0
    return ATANH if not mixed and isinstance([*network.modules()][-1], nn.Tanh) else IDENTITY
