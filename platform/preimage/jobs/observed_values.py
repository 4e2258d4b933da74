"""What a measurement shows of a network's images, as a function of codes."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from preimage.inversion.measurements import Measurement


def observed_values(net: nn.Module, measurement: Measurement) -> Callable[[Tensor], Tensor]:
    """A map of codes (n, d) to what image 0's mask shows of their images (n, m), in float64 without noise."""
    exact, mask = deepcopy(net).double(), measurement.masks(torch.zeros(1, dtype=torch.int64))
    everywhere = torch.ones(1, *measurement.reduced)
    where = (everywhere if mask is None else everywhere * mask).flatten() > 0
    return lambda codes: measurement.reduce(exact(codes)).flatten(1)[:, where]
