"""Samples that are nearly the same: what a generator makes that has collapsed.

They are looked for among images averaged to 8 x 8 pixels. On 3,000 images of CIFAR-10 and 3,000 of
Fashion-MNIST (32 pixels), where 1% of real images count as near-duplicates by definition, these counted

    of                                          8 x 8        pixels       features of a small classifier
    other real images                           1.1, 1.0%    1.7, 1.5%    0.8, 1.2%
    the same, blurred (sigma 1.5)               2.9, 4.9%    10.9, 42.4%  6.1, 22.4%
    300 of them, repeated with noise of 0.2     100, 99.2%   0, 0%        99.6, 53.1%
    300 of them, repeated a pixel aside         99.0, 72.3%  91.1, 70.5%  94.5, 70.8%

Generated images are smooth, or bear a fine noise of their own, and neither is what is looked for. What all
three take for near-duplicates are images of half the contrast.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from preimage.data.pixels import to_float
from preimage.errors import PreimageError

SIDE = 8
"""Of a thumbnail, in pixels."""
BLOCK = 1 << 23
"""Distances in memory at a time."""


class Nearest(NamedTuple):
    """Of each of n vectors, the nearest other one."""

    distances: Tensor
    """(n,) float64, Euclidean."""
    indices: Tensor
    """(n,) int64."""


def thumbnails(pixels: Tensor) -> Tensor:
    """Images (n, C, H, W) uint8 as vectors (n, C * 64) float32: averages in 8 x 8 squares, in [-1, 1]."""
    return F.adaptive_avg_pool2d(to_float(pixels), SIDE).flatten(1)


def nearest(vectors: Tensor) -> Nearest:
    """vectors: (n, D), thumbnails or features, on any device; the result is on the CPU.

    Which one is the nearest is found by products of float32, block by block, and its distance is then taken
    from the difference in float64, so that copies are at 0 exactly. Raises PreimageError for fewer than two.
    """
    count = len(vectors)
    if count < 2:
        raise PreimageError(f"{count} images have no nearest others: give two or more")
    centred = vectors.float() - vectors.float().mean(0)
    squares = centred.square().sum(1)
    found = [_nearest(centred, squares, rows) for rows in torch.arange(count).split(max(1, BLOCK // count))]
    indices = torch.cat(found)
    pairs = zip(vectors.split(4096), indices.split(4096), strict=True)
    distances = [(some.double() - vectors[others].double()).norm(dim=1) for some, others in pairs]
    return Nearest(torch.cat(distances).cpu(), indices.cpu())


def _nearest(centred: Tensor, squares: Tensor, rows: Tensor) -> Tensor:
    """Of some rows (r,), the index (r,) of the nearest other; |a|^2 is the same for all and left out."""
    rows = rows.to(centred.device)
    distances = squares - 2 * centred[rows] @ centred.T
    distances[torch.arange(len(rows)), rows] = torch.inf
    return distances.argmin(1)


def nearest_distances(vectors: Tensor) -> Tensor:
    """(n,) float64: how far each of n vectors (n, D) is from the nearest other one. See `nearest`."""
    return nearest(vectors).distances


def threshold(real: Tensor, fraction: float = 0.01) -> float:
    """The distance below which are this fraction of real images' distances (n,) to their nearest others.

    Two images that are each other's nearest share a distance, so it may be one image less.
    """
    return real.sort().values[int(fraction * len(real))].item()


def near_duplicate_share(generated: Tensor, real: Tensor, fraction: float = 0.01) -> float:
    """The share of samples that are nearer to another than all but a fraction of real images are to theirs.

    generated, real: (n,) nearest distances, each within its own set, of equally many images, because more of
    them lie closer. Real images themselves have the share `fraction`.
    """
    if len(generated) != len(real):
        raise PreimageError(
            f"nearest distances of {len(generated):,} samples and of {len(real):,} real images cannot be "
            "compared: take equally many"
        )
    return (generated < threshold(real, fraction)).double().mean().item()


def closest_pairs(found: Nearest, count: int) -> Sequence[tuple[int, int]]:
    """The `count` closest pairs of indices, the closest first; an image is in one of them at most."""
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for i in found.distances.argsort(stable=True).tolist():
        pair = (i, int(found.indices[i]))
        if len(pairs) < count and not taken & set(pair):
            pairs.append(pair)
            taken |= set(pair)
    return pairs
