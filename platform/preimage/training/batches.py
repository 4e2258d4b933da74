"""Batches that do not depend on the number of workers: shuffled anew each epoch, known for any step."""

import torch
from torch import Tensor

from preimage.errors import DataError
from preimage.work.reproducible import seed_of


class Batches:
    """Which of a worker's own rows each step takes.

    Row k of every batch comes from lane k, the k-th of `batch` equal ranges of the dataset, which is stored
    in a fixed shuffle. A worker's share of the rows is the lanes of its part of the batch, so the batch of a
    step holds the same images whether one worker computes it or many. Each lane has an order of its own, a
    new one each epoch, that follows from seed, lane and epoch alone.
    """

    def __init__(self, count: int, batch: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        """count: images in the dataset. Raises DataError where they do not fill one batch."""
        require_batch(count, batch)
        first, last = part_of(batch, rank, world_size)
        edges = lanes(count, batch)[first : last + 1]
        self.seed, self.first_lane = seed, first
        self.starts = edges[:-1] - edges[0]
        self.lengths = edges.diff()
        self.epochs = torch.full_like(self.lengths, -1)
        self.orders = torch.zeros(len(self.lengths), int(self.lengths.max()), dtype=torch.int64)

    def at(self, step: int) -> Tensor:
        """The worker's part of the batch of a step, (n,) int64 row numbers of its share."""
        epochs, places = step // self.lengths, step % self.lengths
        for lane in (epochs != self.epochs).nonzero().squeeze(1).tolist():
            self._shuffle(lane, int(epochs[lane]))
        return self.starts + self.orders.gather(1, places[:, None]).squeeze(1)

    def _shuffle(self, lane: int, epoch: int) -> None:
        random = torch.Generator().manual_seed(seed_of(self.seed, self.first_lane + lane, epoch))
        length = int(self.lengths[lane])
        self.orders[lane, :length] = torch.randperm(length, generator=random)
        self.epochs[lane] = epoch


def require_batch(count: int | None, batch: int) -> None:
    """Raise DataError where so many images, if that is known, do not fill one batch."""
    if count is not None and count < batch:
        raise DataError(
            f"{count} images do not fill a batch of {batch}: set training.batch_size to {count} at most"
        )


def part_of(batch: int, rank: int, world_size: int) -> tuple[int, int]:
    """Which rows of a batch are a worker's: from the first up to the second. Parts differ by one at most."""
    return rank * batch // world_size, (rank + 1) * batch // world_size


def shares(count: int, batch: int, world_size: int) -> list[int]:
    """Where each worker's share of so many rows begins, the end being the last: that of its lanes."""
    starts = [part_of(batch, rank, world_size)[0] for rank in range(world_size)]
    return lanes(count, batch)[[*starts, batch]].tolist()


def lanes(count: int, batch: int) -> Tensor:
    """Where each of `batch` lanes of so many rows begins, (batch + 1,) int64, the end being the last."""
    return torch.arange(batch + 1) * count // batch
