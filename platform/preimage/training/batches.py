"""Batches of a worker's own images: shuffled anew each epoch, resumable at any image."""

from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.reproducible import seed_of


@dataclass
class Batches:
    """An endless stream of row numbers. Epoch k's order follows from seed, rank and k alone."""

    rows: int
    batch: int
    seed: int
    rank: int = 0
    drawn: int = 0
    """Rows handed out so far: all that a checkpoint needs."""

    def __post_init__(self) -> None:
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def next(self) -> Tensor:
        """Row numbers (batch,) int64; a batch may reach over the end of an epoch."""
        parts, missing = [], self.batch
        while missing:
            epoch, position = divmod(self.drawn, self.rows)
            part = self._order_of(epoch)[position : position + missing]
            parts.append(part)
            missing -= len(part)
            self.drawn += len(part)
        return torch.cat(parts)

    def _order_of(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(seed_of(self.seed, self.rank, epoch))
            self._order, self._epoch = torch.randperm(self.rows, generator=generator), epoch
        return self._order
