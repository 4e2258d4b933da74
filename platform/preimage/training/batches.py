"""Batches that do not depend on the number of workers: reshuffled each epoch, known for any step."""

import torch
from torch import Tensor

from preimage.batch_parts import part_of
from preimage.random_streams import Stream
from preimage.training.batch_size import require_batch


class Batches:
    """Which of a worker's own rows each step uses.

    Row k of every batch comes from lane k, the k-th of `batch` equal ranges of the dataset, which is stored
    in a fixed shuffle. A worker's shard is the lanes of its part of the batch, so a step's batch holds the
    same images whether one worker computes it or many. Each lane has its own order, a new one each epoch,
    that depends only on seed, lane and epoch.
    """

    def __init__(self, count: int, batch: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        """count: images in the dataset. Raises DataError if they do not fill one batch."""
        require_batch(count, batch)
        first, last = part_of(batch, rank, world_size)
        edges = lanes(count, batch)[first : last + 1]
        self.seed, self.first_lane = seed, first
        self.starts = edges[:-1] - edges[0]
        self.lengths = edges.diff()
        self.epochs = torch.full_like(self.lengths, -1)
        self.orders = torch.zeros(len(self.lengths), int(self.lengths.max()), dtype=torch.int64)

    def at(self, step: int) -> Tensor:
        """The worker's part of a step's batch, (n,) int64 row numbers in its shard."""
        epochs, places = step // self.lengths, step % self.lengths
        for lane in (epochs != self.epochs).nonzero().squeeze(1).tolist():
            self._shuffle(lane, int(epochs[lane]))
        return self.starts + self.orders.gather(1, places[:, None]).squeeze(1)

    def _shuffle(self, lane: int, epoch: int) -> None:
        random = Stream.BATCHES.generator(self.seed, self.first_lane + lane, epoch)
        length = int(self.lengths[lane])
        self.orders[lane, :length] = torch.randperm(length, generator=random)
        self.epochs[lane] = epoch


def shares(count: int, batch: int, world_size: int) -> list[int]:
    """Where each worker's shard of `count` rows, the rows of its lanes, begins; and the end."""
    starts = [part_of(batch, rank, world_size)[0] for rank in range(world_size)]
    return lanes(count, batch)[[*starts, batch]].tolist()


def lanes(count: int, batch: int) -> Tensor:
    """Where each of `batch` lanes of `count` rows begins, and the end: (batch + 1,) int64."""
    return torch.arange(batch + 1) * count // batch
