"""What a training learns from, row by row: images, or codes of them."""

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
        """The same rows, what is large of them on that device."""
        ...

    def batch(self, rows: Tensor, device: torch.device) -> Tensor:
        """What a step is given of rows (n,): (n, ...) float32 on the device."""
        ...


class Examples(Protocol):
    """All rows, as they are stored."""

    @property
    def count(self) -> int: ...

    def read(self, start: int, stop: int) -> Any:
        """The rows from `start` up to `stop`: a worker's share."""
        ...
