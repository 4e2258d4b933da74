"""Decode images one by one into columns, and note what cannot be decoded."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

import numpy as np
from PIL import Image

from preimage.data.config import DataConfig
from preimage.data.decoding.decode import UNREADABLE, to_pixels
from preimage.data.decoding.sixteen_bits import Levels
from preimage.data.preparing.content import ContentSum
from preimage.data.sources.base import MapSource, Sample


class Skipped(TypedDict):
    """An image that could not be decoded."""

    image_id: int
    name: str
    error: str


class Decoder:
    """Decodes samples to uint8 pixels; it sums up what they contain and lists what it had to skip."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        self.content = ContentSum()
        self.levels = Levels()
        self.skipped: list[Skipped] = []

    def decode(self, image_id: int, sample: Sample) -> np.ndarray | None:
        """An image's pixels, (C, H, W) uint8; None if it has to be skipped."""
        self.content.add(image_id, sample.row, sample.content)
        reason = sample.error
        if sample.content is not None:
            try:
                return to_pixels(sample.content, self._config, self.levels)
            except UNREADABLE as error:
                reason = reason_of(error)
        self.skipped.append(Skipped(image_id=image_id, name=sample.row.name, error=reason))
        return None


def sample_of(source: MapSource, index: int) -> Sample:
    """One image of a source, or why it cannot be read."""
    try:
        return Sample(source.row(index), source.load(index))
    except UNREADABLE as error:
        return Sample(source.row(index), None, reason_of(error))


def reason_of(error: BaseException) -> str:
    """An error in a list of many: short, with its kind."""
    return f"{type(error).__name__}: {error}"[:300]


@contextmanager
def strictly() -> Iterator[None]:
    """Pillow's warnings about damaged files silenced, but a decompression bomb is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # the last filter takes precedence
        yield
