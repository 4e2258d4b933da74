"""What a method brings to the loop: its networks, and one step on a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from preimage.training.config import LoopConfig
from preimage.training.worker import Worker
from preimage.work.reproducible import seed_of


@dataclass(frozen=True)
class AlgorithmContext:
    """What an algorithm is built for: this worker, its own images, the settings of the loop, and the seed."""

    worker: Worker
    images: Any
    """This worker's share of the examples: images, or the codes of a latent store."""
    loop: LoopConfig
    seed: int
    """The run's seed, equal on every worker."""

    def random(self, *purpose: int) -> torch.Generator:
        """A random stream on the device, the same on every worker and in every run with this seed.

        Draw for the whole batch and take `worker.part` of it: a step is then the same on any number of them.
        """
        return torch.Generator(self.worker.device).manual_seed(seed_of(self.seed, *purpose))


@dataclass(frozen=True)
class OwnCodes:
    """The codes of a worker's own images after training."""

    z: Tensor
    """(n, d) float32, in the order of the worker's rows."""
    learned: bool
    """Whether they were learned one by one, an update each time their image was seen; else computed."""


class Algorithm(Protocol):
    """A method in training. It owns its networks, optimisers and step; the loop owns the rest."""

    def begin(self) -> None:
        """What is done once, before the first step, and never when a training goes on."""
        ...

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """One update. `rows` (n,) says which of the worker's images `images` (n, C, H, W) in [-1, 1] are.

        Returns scalars to record. Raises NonFiniteError, on every worker, before an update that would be
        made with a loss or gradient that is not finite.
        """
        ...

    def replicated_state(self) -> dict[str, Any]:
        """What is equal on every worker: networks, optimisers, random streams."""
        ...

    def load_replicated_state(self, state: dict[str, Any]) -> None: ...

    def sharded_state(self) -> dict[str, Any]:
        """What is this worker's alone: tensors of a row for each of its images, in their order."""
        ...

    def load_sharded_state(self, state: dict[str, Any]) -> None:
        """Take the rows of this worker's images; another number of workers may have saved them."""
        ...

    def samples(self, count: int) -> Tensor | None:
        """Images (count, C, H, W) of codes that are the same each time, in eval mode; None without any."""
        ...


class GeneratorAlgorithm(Algorithm, Protocol):
    """A method that trains a generator."""

    @property
    def generator(self) -> nn.Module:
        """The unwrapped generator, which becomes the generator folder; its `config` is a GeneratorConfig."""
        ...

    def codes(self) -> OwnCodes | None:
        """The codes of the worker's images, where the method gives any."""
        ...


def rows_of_share(
    states: Sequence[dict[str, Any]], edges: Sequence[int], start: int, stop: int
) -> dict[str, Tensor]:
    """The rows `start` to `stop` of what the workers of a checkpoint saved by rank.

    states: by rank, read only where needed. edges: where the share of each began, the end being the last.
    """
    parts: dict[str, list[Tensor]] = {}
    for rank, (begin, end) in enumerate(pairwise(edges)):
        low, high = max(begin, start), min(end, stop)
        if low < high:
            for name, tensor in states[rank].items():
                parts.setdefault(name, []).append(tensor[low - begin : high - begin])
    return {name: torch.cat(each) for name, each in parts.items()}
