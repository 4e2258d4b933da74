"""Invert a whole dataset into a latent store, a part at a time: in this process or on Ray Data.

A part is a fixed range of the dataset's rows, written whole or not at all. Where it is computed, how
often, and what died on the way changes nothing, because an image's start follows from the seed and its id.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch

from preimage.data.dataset import Dataset, Images
from preimage.data.pixels import to_float
from preimage.inversion.batch import Inversion
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.latents.schema import Codes
from preimage.latents.store import StoreWriter
from preimage.models.generator_folder import load_generator, load_prior
from preimage.storage.folder import Folder
from preimage.work.reproducible import prepare_process


@dataclass(frozen=True)
class InversionTask:
    """What a worker needs to make any part. It travels, so it holds addresses."""

    generator: Folder
    dataset: Folder
    writer: StoreWriter
    config: InversionConfig
    seed: int
    rows: int
    """Images of a part; the last part has what is left."""
    cpus: int = 1


class PartDone(TypedDict):
    """What making one part took."""

    part: int
    images: int
    steps: int
    passes: int
    """Generator evaluations: those of the search, and in a worker's first part those of making it ready."""
    diverged: int
    seconds: float


def part_rows(count: int, batch: int) -> int:
    """Images of a part: some dozens of parts for a small dataset, 4,096 images for a large one."""
    return max(batch, min(4096, count // 32) // batch * batch)


class Inverter:
    """Makes parts, as pieces of work: it is sent to a worker as it is, and opens generator and dataset there,
    once."""

    def __init__(self, task: InversionTask) -> None:
        self.task = task
        self._open: _Opened | None = None

    def __call__(self, piece: int) -> PartDone:
        """Invert a part's images and write their codes."""
        ready = 0
        if not self._open:
            self._open = _Opened(self.task)
            ready = self._open.engine.passes
        here, begin = self._open, time.perf_counter()
        first = piece * self.task.rows
        images = here.dataset.read(first, min(first + self.task.rows, here.dataset.count))
        found = here.engine.invert(to_float(images.pixels), ids=images.image_id)
        codes = _codes(images, found)
        self.task.writer.write(piece, codes)
        seconds = time.perf_counter() - begin
        return PartDone(
            part=piece,
            images=len(images.image_id),
            steps=int(found.steps.sum()),
            passes=ready + int(found.passes.sum()),
            diverged=int(codes.diverged.sum()),
            seconds=seconds,
        )

    def finished(self, pieces: Sequence[int]) -> dict[int, PartDone | None]:
        """Those in the store already; what they took is not known any more."""
        return dict.fromkeys(self.task.writer.done() & set(pieces))

    def size(self, piece: int) -> int:
        """Images of a part."""
        return min(self.task.rows, self.task.writer.plan.count - piece * self.task.rows)


class _Opened:
    def __init__(self, task: InversionTask) -> None:
        prepare_process(task.cpus)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        generator, card = load_generator(task.generator)
        prior = load_prior(task.generator, card)
        self.engine = Engine(generator, task.config, prior, seed=task.seed, device=device)
        self.dataset = Dataset.open(task.dataset)


def _codes(images: Images, found: Inversion) -> Codes:
    """What the store keeps. An image that diverged has no loss, and the best code that its search passed."""
    return Codes(
        image_id=images.image_id,
        label=images.labels,
        z=found.z,
        loss=torch.where(found.diverged | ~found.loss.isfinite(), torch.nan, found.loss),
        steps=found.steps,
        restart=found.restart,
        converged=found.converged,
    )
