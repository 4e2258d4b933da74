"""What a training method implements: its networks, and one step on a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from preimage.random_streams import Stream
from preimage.training.config import LoopConfig
from preimage.training.worker import Worker


@dataclass(frozen=True)
class AlgorithmContext:
    """What an algorithm is built from: this worker, its own images, the loop's settings, and the seed."""

    worker: Worker
    images: Any
    """This worker's shard of the examples: images, or the codes of a latent store."""
    loop: LoopConfig
    seed: int
    """The run's seed, the same on every worker."""

    def random(self, stream: Stream) -> torch.Generator:
        """A random stream on the device, the same on every worker and in every run with this seed.

        Draw for the whole batch and take `worker.part` of it: a step is then the same on any number of
        workers.
        """
        return stream.generator(self.seed, device=self.worker.device)


@dataclass(frozen=True)
class OwnCodes:
    """The codes of a worker's own images after training."""

    z: Tensor
    """(n, d) float32, in the order of the worker's rows."""
    learned: bool
    """Whether each was learned, with an update whenever its image was seen; else they were computed."""


class Algorithm(Protocol):
    """A training method. It owns its networks, optimisers and step; the loop owns the rest."""

    def begin(self) -> None:
        """Called once, before the first step; not when a training run resumes."""
        ...

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """One update. images: (n, C, H, W) in [-1, 1]; rows: (n,), their row numbers in the worker's shard.

        Returns scalars to record. A step whose losses or gradients are not finite on any worker is skipped
        on all of them, and all later ones: it raises NonFiniteError, or `require_finite` does.
        """
        ...

    def require_finite(self) -> None:
        """Raise NonFiniteError, on every worker, if a step was skipped. Called before anything is written."""
        ...

    def replicated_state(self) -> dict[str, Any]:
        """The state that is the same on every worker: networks, optimisers, random streams."""
        ...

    def load_replicated_state(self, state: dict[str, Any]) -> None: ...

    def sharded_state(self) -> dict[str, Any]:
        """This worker's own state: tensors with one row for each of its images, in their order."""
        ...

    def load_sharded_state(self, state: dict[str, Any]) -> None:
        """Load the rows of this worker's images; a different number of workers may have saved them."""
        ...

    def samples(self, count: int) -> Tensor | None:
        """Images (count, C, H, W) of the same codes every time, in eval mode; None if there are none."""
        ...


class GeneratorAlgorithm(Algorithm, Protocol):
    """A method that trains a generator."""

    @property
    def generator(self) -> nn.Module:
        """The unwrapped generator, which becomes the generator folder; its `config` is a GeneratorConfig."""
        ...

    def codes(self) -> OwnCodes | None:
        """The codes of the worker's images, if the method has any."""
        ...


def rows_of_share(
    states: Sequence[dict[str, Any]], edges: Sequence[int], start: int, stop: int
) -> dict[str, Tensor]:
    """Rows `start` to `stop` of the sharded states that a checkpoint's workers saved.

    states: by rank, read only if needed. edges: where each rank's shard began, and the end.
    """
    parts: dict[str, list[Tensor]] = {}
    for rank, (begin, end) in enumerate(pairwise(edges)):
        low, high = max(begin, start), min(end, stop)
        if low < high:
            for name, tensor in states[rank].items():
                parts.setdefault(name, []).append(tensor[low - begin : high - begin])
    return {name: torch.cat(each) for name, each in parts.items()}
