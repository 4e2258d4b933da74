"""The codes nearest to a code, by streaming all of them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from preimage.browsing.directions import mean_and_covariance
from preimage.latents.priors import ROUNDING, Prior
from preimage.latents.store import Store

CHUNK = 16_384
"""Codes compared at a time."""


class Neighbours(NamedTuple):
    """Codes from the nearest on."""

    ids: np.ndarray
    """(n,) int64"""
    distances: np.ndarray
    """(n,) float64"""


def nearest(
    codes: Store | Iterable[tuple[Tensor, Tensor]],
    code: np.ndarray,
    count: int,
    whitening: Tensor | None = None,
) -> Neighbours:
    """At most `count` codes, from the nearest to a code (d,) on; of two equally near the one with the smaller
    id first.

    codes: a store, without the images that diverged, or batches of ids (n,) and codes (n, d). whitening:
    (d, r), see `whitening_of`; None: by Euclidean distance. Memory does not grow with the codes.
    """
    to = torch.as_tensor(np.asarray(code)).double()
    ids, found = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.float64)
    for some, z in _batches(codes):
        for own, part in zip(some.split(CHUNK), z.split(CHUNK), strict=True):
            away = part.double() - to
            away = away if whitening is None else away @ whitening
            squares = away.square().sum(1)
            if len(found) == count:
                near = squares <= found[-1]
                own, squares = own[near], squares[near]
            ids, found = _first(torch.cat([ids, own]), torch.cat([found, squares]), count)
    return Neighbours(ids.numpy(), found.sqrt().numpy())


def whitening_of(prior: Prior) -> Tensor:
    """(d, r) float64: codes times it vary alike in every direction, by one standard deviation of the prior,
    so that distances are Mahalanobis's. Directions in which the prior does not vary, d - r, do not count."""
    values, vectors = torch.linalg.eigh(mean_and_covariance(prior)[1])
    varies = values > (ROUNDING * len(values)) ** 2 * values[-1]
    return vectors[:, varies] * values[varies].rsqrt()


def _batches(codes: Store | Iterable[tuple[Tensor, Tensor]]) -> Iterable[tuple[Tensor, Tensor]]:
    if isinstance(codes, Store):
        return ((some.image_id, some.z) for some in codes.without_diverged(("z",)))
    return codes


def _first(ids: Tensor, squares: Tensor, count: int) -> tuple[Tensor, Tensor]:
    order = np.lexsort((ids.numpy(), squares.numpy()))[:count]
    return ids[order], squares[order]
