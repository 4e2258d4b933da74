"""Random numbers per image: they depend on the seed, the image's id and a counter, not on the batch, its
size, or what was drawn before."""

import torch
from torch import Tensor

_STEP, _MIX1, _MIX2 = -7046029254386353131, -4658895280553007687, -7723592293110705685
"""SplitMix64's constants (Steele, Lea and Flood 2014, figure 17), as signed 64-bit integers."""


def uniform(seed: int, ids: Tensor, counter: Tensor | int, columns: int) -> Tensor:
    """(n, columns) float32 uniform on [0, 1), on the device of the ids.

    ids: (n,) int64; counter: (n,) int64 or one number for all: the index of the image's draw.
    """
    row = _mix(_mix(ids.to(torch.int64) + _mix(torch.full_like(ids, seed))) + counter)
    bits = _mix(row[:, None] + torch.arange(columns, device=ids.device) * _STEP)
    return _shift(bits, 40).to(torch.float32) * 2.0**-24


def normal(seed: int, ids: Tensor, counter: Tensor | int, columns: int) -> Tensor:
    """(n, columns) float32 from N(0, 1), by the Box-Muller transform."""
    radius, angle = uniform(seed, ids, counter, 2 * columns).double().chunk(2, dim=1)
    return ((-2 * torch.log1p(-radius)).sqrt() * torch.cos(2 * torch.pi * angle)).float()


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's output function; int64 arithmetic wraps as unsigned arithmetic does."""
    x = x + _STEP
    x = (x ^ _shift(x, 30)) * _MIX1
    x = (x ^ _shift(x, 27)) * _MIX2
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """A logical shift to the right; torch's own repeats the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
