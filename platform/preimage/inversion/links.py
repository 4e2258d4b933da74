"""A function of pixels in which images are simpler functions of their codes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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


def link_of(network: nn.Module) -> Link:
    """What undoes the network's last layer, if that is a tanh."""
    return ATANH if isinstance([*network.modules()][-1], nn.Tanh) else IDENTITY
