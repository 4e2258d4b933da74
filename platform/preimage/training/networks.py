"""An algorithm's networks and optimisers: parallel over workers, checked before updates, saved together."""

import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from preimage.errors import CheckpointError, PreimageError
from preimage.inversion.labels import classes_of, generate
from preimage.latents.priors import Prior
from preimage.random_streams import Stream
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.nan_check import NanCheck, contagious
from preimage.training.optimizers import load_state, skip_if


class Networks:
    """Networks by name, each with its own optimiser. `unwrapped` holds the modules to save; a step calls
    `networks[name]`, whose gradients are averaged over the workers."""

    def __init__(
        self, context: AlgorithmContext, unwrapped: Mapping[str, nn.Module], optimizer: OptimizerConfig
    ) -> None:
        self.worker, self.loop = context.worker, context.loop
        self.weight = self.worker.weight(self.loop.batch_size)
        if self.loop.compile and self.worker.device.type == "cpu":
            _require_compiler()
        self.unwrapped = {
            name: network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            for name, network in unwrapped.items()
        }
        self.parallel = {
            name: self.worker.parallel(network, self.loop.batch_size, self.loop.compile)
            for name, network in self.unwrapped.items()
        }
        self.optimizers = {name: optimizer.build(network) for name, network in self.unwrapped.items()}
        self.nan_check = NanCheck(self.worker, self.unwrapped)
        for each in () if self.nan_check.at_once else self.optimizers.values():
            skip_if(each, self.nan_check.found)

    def __getitem__(self, name: str) -> nn.Module:
        return self.parallel[name]

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        return torch.autocast(self.worker.device.type, torch.bfloat16, enabled=self.loop.precision == "bf16")

    def whole(self, count: int) -> int:
        """The size of the whole batch, given this worker's part of it."""
        return round(count * self.worker.world_size / self.weight)

    def backward(self, loss: Tensor, names: Iterable[str], **how: Any) -> None:
        """Replace these networks' gradients with those of a loss, a mean over this worker's images.

        how: as for `Tensor.backward`.
        """
        for name in names:
            self.optimizers[name].zero_grad()
        self._weighted(loss).backward(**how)

    def grad(self, loss: Tensor, at: Tensor) -> Tensor:
        """The gradient of a loss, a mean over this worker's images, with respect to one tensor."""
        return torch.autograd.grad(self._weighted(loss), at)[0]

    def backward_from(self, output: Tensor, slope: Tensor, name: str) -> None:
        """Replace a network's gradients, given a loss's gradient at its output."""
        self.optimizers[name].zero_grad()
        output.backward(slope)

    def _weighted(self, loss: Tensor) -> Tensor:
        return loss if self.worker.world_size == 1 else contagious(loss, self.weight)

    def step(
        self,
        names: Iterable[str],
        number: int,
        losses: Mapping[str, Tensor],
        own: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Update these networks with their gradients, if all gradients and scalars of all workers are finite.

        losses: scalars by name, each after its backward pass. own: further ones, which only this worker has.
        If something is not finite, neither this nor any later step changes a weight. Raises NonFiniteError on
        all workers: on a CPU here, on a GPU in `require_finite`.
        """
        names = list(names)
        self.worker.average_gradients(p for name in names for p in self.unwrapped[name].parameters())
        self.nan_check.look(names, number, losses, own)
        for name in names:
            self.optimizers[name].step()

    def require_finite(self) -> None:
        """Raise NonFiniteError, on every worker, if a step was skipped."""
        self.nan_check.require_finite()

    def unless_skipped(self, new: Tensor, old: Tensor) -> Tensor:
        """What a step makes of a tensor: old, if the last `step` was skipped."""
        return torch.where(self.nan_check.found == 0, new, old)

    def state(self) -> dict[str, Any]:
        """Everything to save. Raises NonFiniteError, on every worker, if a step was skipped."""
        self.require_finite()
        networks = {name: network.state_dict() for name, network in self.unwrapped.items()}
        return networks | {f"{name}_optimizer": each.state_dict() for name, each in self.optimizers.items()}

    def load(self, state: dict[str, Any]) -> None:
        for name, network in self.unwrapped.items():
            network.load_state_dict(state[name])
            load_state(self.optimizers[name], state[f"{name}_optimizer"])

    def load_pretrained(self, state: dict[str, Any]) -> None:
        """Load the networks and optimisers of the same names from another algorithm's state; keep the others.

        Raises CheckpointError if it lacks generator or discriminator, or theirs have other shapes.
        """
        known = {name: network for name, network in self.unwrapped.items() if name in state}
        try:
            if missing := {"generator", "discriminator"} - known.keys():
                raise RuntimeError(f"it has no {' and no '.join(sorted(missing))}")
            for name, network in known.items():
                network.load_state_dict(state[name])
                load_state(self.optimizers[name], state[f"{name}_optimizer"])
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"the run in resume_from has other networks, so training cannot continue from it: {error}"
            ) from error


def _require_compiler() -> None:
    """Raise PreimageError if torch.compile would find no compiler for this CPU."""
    if not any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))):
        raise PreimageError(
            "training.compile=true needs a C++ compiler on every worker without a GPU, and there is none: "
            "install g++, or set training.compile=false"
        )


COLUMNS, CLASSES = 8, 16
"""Images in a row of a grid of samples, and rows at most in that of a conditional generator."""


@torch.no_grad()
def fixed_samples(generator: nn.Module, prior: Prior, seed: int, count: int) -> Tensor:
    """Images (count, C, H, W) of a generator in eval mode; the same seed always gives the same draws.

    Of a conditional generator (rows * COLUMNS, C, H, W): a row for each of its first classes, of the same
    codes.
    """
    device = next(generator.parameters()).device
    codes, labels = prior.sample(count, Stream.SAMPLE_GRID.generator(seed)), None
    if rows := min(classes_of(generator), CLASSES):
        codes = codes[:COLUMNS].repeat(rows, 1)
        labels = torch.arange(rows, device=device).repeat_interleave(COLUMNS)
    training = generator.training
    images = generate(generator.eval(), codes.to(device), labels)
    generator.train(training)
    return images
