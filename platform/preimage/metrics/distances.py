"""How far two sets of codes are from each other."""

import torch
from torch import Tensor

from preimage.errors import PreimageError

CHUNK = 1024
"""Codes whose distances from all others are in memory at a time."""


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'| of codes x (n, d) and y (m, d) (Székely and Rizzo 2013).

    Unbiased: x' is another code than x, so that it is 0 on average for two sets of one distribution, however
    many they are, and may be just below 0. In the codes' own units, in float64.
    Raises PreimageError for fewer than two codes in a set.
    """
    if min(len(x), len(y)) < 2:
        raise PreimageError(f"{len(x)} and {len(y)} codes: an energy distance needs at least two of each")
    x, y = x.double(), y.double()
    return 2 * _total(x, y) / (len(x) * len(y)) - _within(x) - _within(y)


def _within(x: Tensor) -> float:
    return _total(x, x) / (len(x) * (len(x) - 1))


def _total(x: Tensor, y: Tensor) -> float:
    """The sum of all distances of one of x from one of y."""
    x, y = x - x.mean(0), y - x.mean(0)  # far from the origin, products of codes would lose the differences
    return sum(torch.cdist(part, y).sum().item() for part in x.split(CHUNK))
