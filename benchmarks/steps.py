"""Training steps of the real loop on synthetic images, beside those of a plain one."""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from preimage.data.dataset import Images
from preimage.models.config import DcganConfig
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import LoopConfig
from preimage.training.export import export_generator
from preimage.training.loop import Loop
from preimage.training.training import Training
from preimage.training.worker import Worker

from .measure import Measurement, measured

SEED = 1


class Steps(Loop):
    """The real loop, some steps at a time, without what comes once in 10,000 images or more."""

    def steps(self, number: int) -> None:
        for _ in range(number):
            self._step()

    def pause(self) -> None:
        """What comes once in 100,000 images by default."""
        self._draw()
        self._checkpoint(last=True)


@contextmanager
def stepping(
    model: DcganConfig, count: int, config: LoopConfig, learner: Callable[..., Any]
) -> Iterator[Steps]:
    """The loop on so many images, in this process, on the CPU. learner: from a context and `model`."""
    images, build = images_of(model, count, SEED), partial(learner, model=model)
    with tempfile.TemporaryDirectory() as name:
        folder = Folder.at(name)
        training = Training(
            RunFolder(folder), folder, config, build, identity={}, seed=SEED, export=export_generator
        )
        algorithm = build(AlgorithmContext(Worker(), images, config, SEED))
        algorithm.begin()
        yield Steps(Worker(), training, algorithm, images, count)


def images_of(model: DcganConfig, count: int, seed: int) -> Images:
    shape = (count, *model.shape)
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
    return Images(torch.arange(count), pixels, torch.full((count,), -1, dtype=torch.int32))


def speed_up(
    name: str, batch: int, ours: Sequence[float], theirs: Sequence[float], aim: float | None, other: str
) -> Measurement:
    """Images a second of ours over theirs. ours, theirs: seconds of steps, by turns."""
    fast, slow = batch / statistics.median(ours), batch / statistics.median(theirs)
    ratios = [theirs / ours for ours, theirs in zip(ours, theirs, strict=True)]
    return measured(name, ratios, "x", aim, f"{fast:.0f} images/s; {other} {slow:.0f}", "processor")


def weights(network: nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten() for each in network.parameters()])


def apart(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / other.norm()).item()
