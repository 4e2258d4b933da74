"""Where neighbours in code are not neighbours in pixels.

Of each image, the share of its k = 10 nearest by code that are not among its k nearest by pixels: 0 where
both agree, 1 where they have nothing in common. Distances are Euclidean; images are averaged down to at most
32 x 32 first, which bounds the work and forgives a shift by a pixel. Exact among up to 4,000 images; of more,
among a sample of 4,000, and the others have no value (NaN).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from preimage.browsing.samples_of_rows import sampled_rows
from preimage.browsing.subject import Subject

NEIGHBOURS = 10
MOST = 4000
SIDE = 32
CHUNK = 512
"""Images whose distances from all others are in memory at a time."""


def disagreement(subject: Subject, ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """The share (n,) float32 for images with these ids. Raises DataError where the images cannot be read."""
    assert subject.pixels
    found = np.full(len(ids), np.nan, np.float32)
    rows = sampled_rows(len(ids), MOST, seed)
    chosen = ids[rows]
    images = torch.from_numpy(subject.pixels.images(chosen)).permute(0, 3, 1, 2)
    found[rows] = unshared(subject.codes_of(chosen).z, pooled(images), NEIGHBOURS).numpy()
    return found


def unshared(a: Tensor, b: Tensor, k: int) -> Tensor:
    """The share (n,) float32 of each row's k nearest others in a (n, d) that are not among its k nearest
    others in b (n, e); k is at most n - 1. 0 for a single row."""
    k = min(k, len(a) - 1)
    if k < 1:
        return torch.zeros(len(a))
    near, also = nearest_others(a, k), nearest_others(b, k)
    shared = (near[:, :, None] == also[:, None, :]).any(2)
    return 1 - shared.float().mean(1)


def nearest_others(x: Tensor, k: int) -> Tensor:
    """The rows (n, k) int64 that are nearest to each row of x (n, d), itself aside."""
    x = x.double() - x.double().mean(0) if x.shape[1] <= 256 else (x - x.mean(0)).float()
    squares = x.square().sum(1)
    found = []
    for rows in torch.arange(len(x)).split(CHUNK):
        distances = squares[None] - 2 * x[rows] @ x.T  # without the own square, which orders nothing
        distances[torch.arange(len(rows)), rows] = torch.inf
        found.append(distances.topk(k, largest=False).indices)
    return torch.cat(found)


def pooled(images: Tensor) -> Tensor:
    """Images (n, C, H, W) uint8 as rows (n, e) float32, averaged down to at most 32 x 32."""
    small = [F.adaptive_avg_pool2d(some.float(), _sides(images)) for some in images.split(CHUNK)]
    return torch.cat(small).flatten(1) if small else torch.zeros(0, 1)


def _sides(images: Tensor) -> tuple[int, int]:
    height, width = images.shape[2:]
    return min(height, SIDE), min(width, SIDE)
