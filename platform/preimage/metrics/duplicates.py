"""Near-duplicate samples, as a collapsed generator makes them.

The search compares images averaged to 8 x 8 pixels. On 3,000 images of CIFAR-10 and 3,000 of Fashion-MNIST
(32 pixels), where 1% of real images are near-duplicates by definition, these counted as near-duplicates:

    of                                          8 x 8        pixels       features of a small classifier
    other real images                           1.1, 1.0%    1.7, 1.5%    0.8, 1.2%
    the same, blurred (sigma 1.5)               2.9, 4.9%    10.9, 42.4%  6.1, 22.4%
    300 of them, repeated with noise of 0.2     100, 99.2%   0, 0%        99.6, 53.1%
    300 of them, repeated with a pixel's shift  99.0, 72.3%  91.1, 70.5%  94.5, 70.8%

Generated images are smooth, or have a fine noise of their own, and neither should count. All three count
images of half the contrast as near-duplicates.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from preimage.data.pixels import to_float
from preimage.errors import PreimageError
from preimage.float32 import float32_products

SIDE = 8
"""Side of a thumbnail in pixels."""
BLOCK = 1 << 23
"""Distances held in memory at a time."""


class Nearest(NamedTuple):
    """For each of n vectors, the nearest other one."""

    distances: Tensor
    """(n,) float64, Euclidean."""
    indices: Tensor
    """(n,) int64."""


def thumbnails(pixels: Tensor) -> Tensor:
    """Images (n, C, H, W) uint8 as vectors (n, C * 64) float32: averages in 8 x 8 squares, in [-1, 1]."""
    return F.adaptive_avg_pool2d(to_float(pixels), SIDE).flatten(1)


@float32_products("ieee")
def nearest(vectors: Tensor) -> Nearest:
    """The nearest others of vectors (n, D), thumbnails or features, on any device; the result is on the CPU.

    float32 products find the nearest one, block by block; its distance is then computed from the difference
    in float64, so that copies are at exactly 0. Raises PreimageError for fewer than two.
    """
    count = len(vectors)
    if count < 2:
        raise PreimageError(f"nearest neighbours need at least two images but got {count}")
    centred = vectors.float() - vectors.float().mean(0)
    squares = centred.square().sum(1)
    found = [_nearest(centred, squares, rows) for rows in torch.arange(count).split(max(1, BLOCK // count))]
    indices = torch.cat(found)
    pairs = zip(vectors.split(4096), indices.split(4096), strict=True)
    distances = [(some.double() - vectors[others].double()).norm(dim=1) for some, others in pairs]
    return Nearest(torch.cat(distances).cpu(), indices.cpu())


def _nearest(centred: Tensor, squares: Tensor, rows: Tensor) -> Tensor:
    """For rows (r,), the index (r,) of the nearest other; omits |a|^2, which is the same for all."""
    rows = rows.to(centred.device)
    distances = squares - 2 * centred[rows] @ centred.T
    distances[torch.arange(len(rows)), rows] = torch.inf
    return distances.argmin(1)


def nearest_distances(vectors: Tensor) -> Tensor:
    """(n,) float64: the distance of each of n vectors (n, D) from the nearest other one. See `nearest`."""
    return nearest(vectors).distances


def threshold(real: Tensor, fraction: float = 0.01) -> float:
    """The distance that this fraction of real images' nearest distances (n,) is below.

    Two images that are each other's nearest share a distance, so it may be one image fewer.
    """
    return real.sort().values[int(fraction * len(real))].item()


def near_duplicate_share(generated: Tensor, real: Tensor, fraction: float = 0.01) -> float:
    """The fraction of samples closer to another than all but `fraction` of real images are to theirs.

    generated, real: (n,) nearest distances, each within its own set. Both sets have the same size, because
    larger sets lie closer. Real images themselves score `fraction`.
    """
    if len(generated) != len(real):
        raise PreimageError(
            f"cannot compare the nearest distances of {len(generated):,} samples and of {len(real):,} real "
            "images: take the same number of each"
        )
    return (generated < threshold(real, fraction)).double().mean().item()


def closest_pairs(found: Nearest, count: int) -> Sequence[tuple[int, int]]:
    """The `count` closest pairs of indices, the closest first; each image is in at most one pair."""
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for i in found.distances.argsort(stable=True).tolist():
        pair = (i, int(found.indices[i]))
        if len(pairs) < count and not taken & set(pair):
            pairs.append(pair)
            taken |= set(pair)
    return pairs
