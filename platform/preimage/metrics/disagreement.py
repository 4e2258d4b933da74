"""Samples that are likely under the prior but far from every code found (flexible-priors, 4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


Distance = Literal["nearest", "mean"]

CHUNK = 1024
"""Codes compared with all samples at a time."""


def distances(samples: Tensor, codes: Iterable[Tensor], to: Distance) -> Tensor:
    """The distance of each sample (n, d) from codes streamed as (m, d): (n,) float64.

    nearest: to the nearest code. mean: the root of the mean squared distance to all codes, as in the paper;
    its square is the squared distance from the codes' mean plus a constant, their variance, so it depends on
    the codes only through their mean.
    """
    return _to_nearest(samples.double(), codes) if to == "nearest" else _to_all(samples.double(), codes)


def _to_nearest(samples: Tensor, codes: Iterable[Tensor]) -> Tensor:
    import torch

    nearest = torch.full((len(samples),), torch.inf, dtype=torch.float64)
    for some in (chunk for z in codes for chunk in z.double().split(CHUNK)):
        exactly = "donot_use_mm_for_euclid_dist"  # a matrix product loses the digits of small distances
        found = torch.cdist(samples, some, compute_mode=exactly)
        nearest = torch.minimum(nearest, found.amin(1))
    return nearest


def _to_all(samples: Tensor, codes: Iterable[Tensor]) -> Tensor:
    from preimage.latents.statistics import Moments

    moments = Moments.empty(samples.shape[1])
    for z in codes:
        moments = moments.update(z)
    variance = moments.gram.trace() / moments.count - moments.mean.square().sum()
    return ((samples - moments.mean).square().sum(1) + variance).sqrt()
