"""Where the pixels of a shard come from: decoded from a source, or unpacked before."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from preimage.data.config import DataConfig
from preimage.data.decoding.sixteen_bits import Levels
from preimage.data.preparing.content import ReadPiece
from preimage.data.preparing.decoded import Decoder, Skipped, sample_of
from preimage.data.sources.base import MapSource
from preimage.data.sources.file_state import placed


class Decoded(NamedTuple):
    """An image that was decoded."""

    label: int
    pixels: np.ndarray
    """(C, H, W) uint8."""


class ShardImages(Protocol):
    """The images of one shard."""

    def get(self, image_ids: Sequence[int]) -> Iterator[Decoded | None]:
        """The images, in order; None for one that has to be skipped."""
        ...

    @property
    def skipped(self) -> list[Skipped]: ...

    @property
    def levels(self) -> Levels:
        """Of the images that were decoded now."""
        ...

    def read(self, image_ids: np.ndarray) -> list[ReadPiece]:
        """What was read of the source for these images, if it was read now."""
        ...


class FromSource:
    """Decodes each image when it is asked for."""

    def __init__(self, source: MapSource, config: DataConfig) -> None:
        self._source, self._decoder, self._config = source, Decoder(config), config

    def get(self, image_ids: Sequence[int]) -> Iterator[Decoded | None]:
        for image_id in image_ids:
            sample = sample_of(self._source, image_id)
            pixels = self._decoder.decode(image_id, sample)
            yield None if pixels is None else Decoded(sample.row.label, pixels)

    @property
    def skipped(self) -> list[Skipped]:
        return self._decoder.skipped

    @property
    def levels(self) -> Levels:
        return self._decoder.levels

    def read(self, image_ids: np.ndarray) -> list[ReadPiece]:
        state = placed(self._source.state(image_ids), self._config)
        return [ReadPiece(state=state, content=self._decoder.content.hex)]
