"""The distance between two sets of codes."""

import torch
from torch import Tensor

from preimage.errors import PreimageError

CHUNK = 1024
"""Codes whose distances from all others fit in memory at a time."""


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'| of codes x (n, d) and y (m, d) (Székely and Rizzo 2013).

    Unbiased: x' is never x itself, so for two sets of one distribution, of any size, it is 0 on average and
    may be just below 0. In the codes' own units, in float64.
    Raises PreimageError for fewer than two codes in a set.
    """
    if min(len(x), len(y)) < 2:
        raise PreimageError(
            f"an energy distance needs at least two codes in each set but got {len(x)} and {len(y)}"
        )
    x, y = x.double(), y.double()
    return 2 * _total(x, y) / (len(x) * len(y)) - _within(x) - _within(y)


def _within(x: Tensor) -> float:
    return _total(x, x) / (len(x) * (len(x) - 1))


def _total(x: Tensor, y: Tensor) -> float:
    """The sum of all distances between x and y."""
    x, y = x - x.mean(0), y - x.mean(0)  # products lose precision far from the origin
    return sum(torch.cdist(part, y).sum().item() for part in x.split(CHUNK))
