"""Which images of a source each shard of a prepared dataset holds."""

from dataclasses import dataclass
from math import prod

import numpy as np

from preimage.data.config import DataConfig
from preimage.permutation import Permutation

SHARD_BYTES = 24 << 20, 512 << 20
"""The size of a shard before compression: the first as far as MANY shards go, then up to the second."""
MANY = 8192

_SPREAD = 16  # at least this many shards, if there are enough images
_FEWEST = 256


@dataclass(frozen=True)
class ShardPlan:
    """Which images of the source each shard holds; the same for any number of workers."""

    key: str
    available: int
    """Images in the source."""
    images: int
    """Images to use."""
    step: int
    """Images per shard."""

    @property
    def shards(self) -> int:
        return -(-self.images // self.step)

    def size(self, shard: int) -> int:
        """Images in a shard."""
        return min(self.step, self.images - shard * self.step)

    def image_ids(self, shard: int) -> np.ndarray:
        """(n,) int64: a range of one fixed shuffle of the source, so that any range is a fair sample."""
        return Permutation(self.available).at(np.arange(self.size(shard)) + shard * self.step)

    def is_used(self, image_ids: np.ndarray) -> np.ndarray:
        """(n,) bool: which images are used."""
        if self.images == self.available:
            return np.ones(len(image_ids), bool)
        return Permutation(self.available).position(image_ids) < self.images


def plan_shards(config: DataConfig, key: str, available: int) -> ShardPlan:
    """Shards of about 24 MiB; smaller if workers would be idle, larger if there were too many."""
    images = min(available, config.max_images or available)
    least, most = (max(1, size // prod(config.shape)) for size in SHARD_BYTES)
    by_bytes = min(most, max(least, -(-images // MANY)))
    by_spread = max(_FEWEST, -(-images // _SPREAD))
    step = min(by_bytes, by_spread)
    return ShardPlan(key, available, images, max(1, step - step % _FEWEST if step > _FEWEST else step))


def shard_file(shard: int) -> str:
    return f"part-{shard:05d}.parquet"
