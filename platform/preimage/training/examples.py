"""Training examples, row by row: images, or their codes."""

from typing import Any, Protocol

import torch
from torch import Tensor


class Shard(Protocol):
    """A worker's own rows, in memory."""

    @property
    def image_id(self) -> Tensor:
        """(n,) int64."""
        ...

    def on(self, device: torch.device) -> Any:
        """The same rows, with the large tensors on that device."""
        ...

    def batch(self, rows: Tensor, device: torch.device) -> Tensor:
        """A step's inputs for rows (n,): (n, ...) float32 on the device."""
        ...


class Examples(Protocol):
    """All rows, as stored."""

    @property
    def count(self) -> int: ...

    def read(self, start: int, stop: int) -> Any:
        """The rows from `start` up to `stop`: a worker's shard."""
        ...
