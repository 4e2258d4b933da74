"""Two ways to multiply L-BFGS's estimate of the inverse Hessian with gradients, equal up to rounding.

Each image has its own pairs of moves and changes, and a first guess that is a multiple of one matrix for all.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

TINY = 1e-30


class Pairs(NamedTuple):
    """The m latest pairs of n images, the newest last; those not yet there are zero, and are the first."""

    moves: Tensor
    """(n, m, d), of the codes."""
    changes: Tensor
    """(n, m, d), of the gradients."""
    curvature: Tensor
    """(n, m), the inner products of moves and changes; positive, but 0 where there is no pair."""


Estimate = Callable[[Tensor, Pairs, Tensor | None], Tensor]
"""(gradients (n, d), pairs, the root (d, d) symmetric of the first guess, or None for the identity) to the
estimated inverse Hessian times the gradients (n, d); unspecified for an image without pairs."""


def quicker(gradient: Tensor, pairs: Pairs, root: Tensor | None) -> Tensor:
    """By the quicker of the two ways on this device."""
    return (two_loops if gradient.device.type == "cpu" else compact)(gradient, pairs, root)


def two_loops(gradient: Tensor, pairs: Pairs, root: Tensor | None) -> Tensor:
    """Pair by pair (Nocedal 1980): ten small operations for each, the least arithmetic."""
    moves, changes, curvature = pairs
    count = curvature.shape[1]
    inverse = torch.where(curvature > 0, 1 / curvature.clamp_min(TINY), 0)
    q, shares = gradient, []
    for i in reversed(range(count)):
        shares.append(inverse[:, i] * (moves[:, i] * q).sum(1))
        q = q - shares[-1][:, None] * changes[:, i]
    latest = changes[:, -1]
    scale = curvature[:, -1] / (latest * first_guess(latest, root)).sum(1).clamp_min(TINY)
    q = scale[:, None] * first_guess(q, root)
    for i, share in zip(range(count), reversed(shares), strict=True):
        q = q + moves[:, i] * (share - inverse[:, i] * (changes[:, i] * q).sum(1))[:, None]
    return q


def compact(gradient: Tensor, pairs: Pairs, root: Tensor | None) -> Tensor:
    """All pairs at once (Byrd, Nocedal and Schnabel 1994, eq. 3.1): two dozen operations, whatever m is.

    For GPUs, where small operations take as long to start as larger ones to run; a CPU takes longer for 64
    codes, 1.7 times with 100 components and 4 times with 512.
    """
    moves, changes, curvature = pairs
    column, inside = gradient[:, :, None], gradient
    triangle = moves @ changes.mT
    triangle.diagonal(dim1=1, dim2=2).copy_(torch.where(curvature > 0, curvature, 1))
    if root is not None:
        changes, inside = changes @ root, gradient @ root
    square, inside = changes @ changes.mT, inside[:, :, None]
    scale = (curvature[:, -1] / square[:, -1, -1].clamp_min(TINY))[:, None, None]
    # only the upper triangle of `triangle` is read
    p = torch.linalg.solve_triangular(triangle, moves @ column, upper=True)
    rest = curvature[:, :, None] * p + scale * (square @ p - changes @ inside)
    w = torch.linalg.solve_triangular(triangle.mT, rest, upper=False)
    first = (scale * (inside - changes.mT @ p))[:, :, 0]
    return (first if root is None else first @ root) + (moves.mT @ w)[:, :, 0]


def first_guess(gradient: Tensor, root: Tensor | None) -> Tensor:
    """The matrix of which each image's first guess is a multiple, times gradients (n, d)."""
    return gradient if root is None else gradient @ root @ root
