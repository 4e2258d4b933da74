"""Discs: white discs on black at known places, so that what a generator makes of them can be checked."""

import numpy as np
import pyarrow as pa

from preimage.config import Config, PositiveInt
from preimage.data.config import DataConfig, SourceKind
from preimage.data.sources.indexed import IndexedSource

SIDE = 32


class DiscOptions(Config):
    count: PositiveInt = 500
    """Images of each split."""
    seed: int = 0


class Discs(IndexedSource):
    """A disc of radius 4 or 8 px, the class, at a place that the columns x and y tell in pixels."""

    columns = pa.schema({"x": pa.float32(), "y": pa.float32()})

    def __init__(self, config: DataConfig) -> None:
        super().__init__(config)
        self.classes = ["small", "large"]
        draws = np.random.default_rng([self.options.seed, config.split == "test"])
        self._places = draws.uniform(8, SIDE - 8, (self.options.count, 2)).astype(np.float32)

    def __len__(self) -> int:
        return len(self._places)

    def label(self, index: int) -> int:
        return index % 2

    def values(self, index: int) -> dict[str, float]:
        return dict(zip("xy", self._places[index].tolist(), strict=True))

    def load(self, index: int) -> np.ndarray:
        """(32, 32) uint8, with a soft edge."""
        y, x = np.mgrid[:SIDE, :SIDE]
        distance = np.hypot(x - self._places[index, 0], y - self._places[index, 1])
        return np.rint(255 * np.clip(4 * (1 + self.label(index)) + 0.5 - distance, 0, 1)).astype(np.uint8)


DISCS = SourceKind("white discs, 32 x 32 grey, 2 classes", Discs, DiscOptions, splits=("train", "test"))
