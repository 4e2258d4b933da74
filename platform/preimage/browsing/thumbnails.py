"""Small pictures of images and their reconstructions, as pages show them."""

import io
from base64 import b64encode
from collections.abc import Sequence

import numpy as np
from PIL import Image

from preimage.browsing.subject import Subject

SIDE = 64
"""Thumbnails are at most so high and wide."""


def png(image: np.ndarray) -> bytes:
    """Of an image (H, W, C) uint8, C 1 or 3 (of others the first channel is shown)."""
    buffer = io.BytesIO()
    Image.fromarray(_plain(image)).save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(image: np.ndarray, kind: str = "image/png") -> str:
    """An image (H, W, C) uint8 as an address that an <img> takes."""
    return data_uri_of(png(image), kind)


def data_uri_of(data: bytes, kind: str) -> str:
    """A file's bytes as an address."""
    return f"data:{kind};base64,{b64encode(data).decode()}"


def shrunk(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Images (n, H, W, C) uint8 that are at most `side` high and wide: smaller ones as they are."""
    height, width = images.shape[1:3]
    scale = side / max(height, width)
    if scale >= 1 or not len(images):
        return images
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = [np.asarray(Image.fromarray(_plain(each)).resize(size, Image.Resampling.BOX)) for each in images]
    return np.stack(small).reshape(len(images), size[1], size[0], -1)


def side_by_side(images: Sequence[np.ndarray], gap: int = 1) -> np.ndarray:
    """Images (H, W, C) uint8 of one size in a row, on white."""
    height, _, channels = images[0].shape
    line = np.full((height, gap, channels), 255, np.uint8)
    return np.concatenate([part for each in images for part in (each, line)][:-1], 1)


class Thumbnails:
    """Small images of a subject by id: originals and reconstructions, (n, h, w, C) uint8, or None where there
    are none."""

    def __init__(self, subject: Subject, side: int = SIDE) -> None:
        self.subject, self.side = subject, side

    def originals(self, ids: np.ndarray) -> np.ndarray | None:
        """Raises DataError where the images were altered."""
        return shrunk(self.subject.pixels.images(ids), self.side) if self.subject.pixels else None

    def reconstructions(self, ids: np.ndarray) -> np.ndarray | None:
        """The generator's images of the codes."""
        return shrunk(self.subject.reconstructions(ids), self.side) if self.subject.generator else None

    def addresses(self, ids: np.ndarray) -> list[tuple[str | None, str | None]]:
        """For each id, the original and the reconstruction as data URIs."""
        sides = (self.originals(ids), self.reconstructions(ids))
        uris = [[None] * len(ids) if each is None else list(map(data_uri, each)) for each in sides]
        return list(zip(*uris, strict=True))


def _plain(image: np.ndarray) -> np.ndarray:
    """As Pillow takes it: (H, W), or (H, W, 3)."""
    return image if image.shape[-1] == 3 else np.ascontiguousarray(image[..., 0])
