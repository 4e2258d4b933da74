"""Grids of images."""

import io
from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from preimage.data.pixels import to_uint8

GRID_WIDTH, STACKS_WIDTH = 512, 1200
"""Grids and stacks of small images are enlarged, by a whole factor, to about this width in pixels."""
STACKED, COLUMNS = 40, 10
"""How many images a picture of stacks shows, and in how many columns."""


def tiled(images: Tensor | Sequence[Tensor], columns: int, padding: int = 1) -> np.ndarray:
    """Images (C, H, W) uint8, row by row with white between them, as one picture: (H, W, 4) if they have four
    channels, else (H, W, 3). A single one is the picture itself.

    As torchvision's make_grid, which takes longer to import than torch.
    """
    tiles = np.stack([each.permute(1, 2, 0).cpu().numpy() for each in images])
    tiles = tiles.repeat(3, 3) if tiles.shape[3] == 1 else tiles
    if len(tiles) == 1:
        return tiles[0]
    n, height, width, channels = tiles.shape
    across = min(columns, n)
    down = ceil(n / across)
    cells = np.full((down * across, height + padding, width + padding, channels), 255, np.uint8)
    cells[:n, padding:, padding:] = tiles
    rows = cells.reshape(down, across, height + padding, width + padding, channels).swapaxes(1, 2)
    whole = rows.reshape(down * (height + padding), across * (width + padding), channels)
    return np.pad(whole, ((0, padding), (0, padding), (0, 0)), constant_values=255)


def grid_png(images: Tensor, columns: int | None = None, width: int = GRID_WIDTH) -> bytes:
    """Images (N, C, H, W) in [-1, 1] as one PNG, row by row; roughly square by default."""
    return png_of(grid_picture(images, columns, width))


def grid_picture(images: Tensor, columns: int | None = None, width: int = GRID_WIDTH) -> Image.Image:
    """The same, to draw on."""
    columns = columns or ceil(sqrt(len(images)))
    picture = Image.fromarray(tiled(to_uint8(images).cpu(), columns, padding=2))
    scale = max(1, round(width / picture.width))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def stacks_png(*sets: Tensor, columns: int = COLUMNS) -> bytes:
    """Sets of images (N, C, H, W) of the same shape, each image of the first above its counterparts."""
    line = torch.zeros_like(sets[0][:, :, :1]).cpu()  # grey
    line[:, 3:] = 1  # and opaque
    lined = [part for images in sets for part in (line, images.cpu())]
    return grid_png(torch.cat(lined[1:], dim=2), columns, STACKS_WIDTH)


def png_of(picture: Image.Image, texts: PngInfo | None = None) -> bytes:
    """A picture as PNG bytes, with texts beside its pixels."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()
