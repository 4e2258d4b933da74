"""What a method brings to the loop: its networks, and one step on a batch."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from preimage.data.dataset import Images
from preimage.reproducible import seed_of
from preimage.training.worker import Worker


@dataclass(frozen=True)
class Setting:
    """What a learner is built for: this worker, its own images, and the seeds."""

    worker: Worker
    images: Images
    """This worker's share: pixels (n, C, H, W) uint8 on the worker's device."""
    seed: int
    """The run's seed, equal on every worker: for weights and for the codes of sample grids."""
    stream: int
    """The seed of random streams: the run's own until the number of workers changes."""

    def random(self, *purpose: int) -> torch.Generator:
        """A random stream on the device, this worker's own, the same in every run with this seed."""
        seed = seed_of(self.stream, self.worker.rank, *purpose)
        return torch.Generator(self.worker.device).manual_seed(seed)


class Learner(Protocol):
    """A method in training. It owns its networks, optimisers and step; the loop owns the rest."""

    generator: nn.Module
    """The bare generator, which becomes the run's generator folder."""

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """One update. `rows` (n,) says which of the worker's images `images` (n, C, H, W) in [-1, 1] are.

        Returns scalars to record. Raises NonFiniteError, on every worker, before an update that would be
        made with a loss or gradient that is not finite.
        """
        ...

    def shared_state(self) -> dict[str, Any]:
        """What is equal on every worker: networks and optimisers."""
        ...

    def load_shared_state(self, state: dict[str, Any]) -> None: ...

    def own_state(self) -> dict[str, Any]:
        """What is this worker's alone: random streams, rows it owns."""
        ...

    def load_own_state(self, states: list[dict[str, Any]]) -> None:
        """Take this worker's part of what all workers saved, by rank; their number may have changed."""
        ...

    def samples(self, count: int) -> Tensor:
        """Images (count, C, H, W) of codes that are the same each time, in eval mode."""
        ...
