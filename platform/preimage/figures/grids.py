"""Grids of images."""

import io
from math import ceil, sqrt

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from preimage.data.pixels import to_uint8

SMALLEST = 512
"""Grids of small images are magnified, by whole pixels, to about this width."""


def grid_png(images: Tensor, columns: int | None = None) -> bytes:
    """Images (N, C, H, W) in [-1, 1] as one PNG, row by row; about as wide as high unless told otherwise."""
    columns = columns or ceil(sqrt(len(images)))
    grid = make_grid(to_uint8(images.cpu()), nrow=columns, padding=2, pad_value=255)
    picture = Image.fromarray(grid.permute(1, 2, 0).contiguous().numpy())
    scale = max(1, round(SMALLEST / picture.width))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    return png_of(picture)


def stacks_png(*sets: Tensor, columns: int = 8) -> bytes:
    """Equal sets of images (N, C, H, W), each image of the first above its partners of the others."""
    line = torch.zeros_like(sets[0][:, :, :1]).cpu()  # grey
    lined = [part for images in sets for part in (line, images.cpu())]
    return grid_png(torch.cat(lined[1:], dim=2), columns)


def png_of(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
