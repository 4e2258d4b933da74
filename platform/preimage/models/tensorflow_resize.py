"""Bilinear resizing as TensorFlow 1 did it, which the published Inception network was scored with."""

import torch
from torch import Tensor


def resized(pixels: Tensor, side: int) -> Tensor:
    """Images (n, C, H, W) uint8 to (n, C, side, side) float32 in [0, 255].

    Along each axis, output i lies at i * size / side between the two pixels there: no half-pixel centres, no
    antialiasing. Columns come first, of the image's own few rows: TensorFlow's arithmetic, and its bits.
    """
    images = pixels.to(torch.float32)
    low, high, share = _neighbours(images.shape[3], side, images.device)
    left = images[..., low]
    wide = left + (images[..., high] - left) * share
    low, high, share = _neighbours(images.shape[2], side, images.device)
    top = wide[:, :, low]
    return top + (wide[:, :, high] - top) * share[:, None]


def _neighbours(size: int, side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each output (side,): its two pixels, and the share of the second."""
    scale = torch.tensor(size / side, dtype=torch.float32)
    places = torch.arange(side, dtype=torch.float32, device=device) * scale
    low = places.long()
    return low, (low + 1).clamp_max(size - 1), places - low
