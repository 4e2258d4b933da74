"""Invert a whole dataset into a latent store, one part at a time: in this process or on Ray Data.

A part is a fixed range of the dataset's rows, written whole or not at all. It does not matter where or how
often it is computed, or what died meanwhile: an image's start depends only on the seed, its id and
how many images there are in all.
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
from preimage.inversion.setup_cache import SetupCache
from preimage.latents.schema import Codes, DatasetInfo
from preimage.latents.store import StoreWriter
from preimage.models.generator_folder import load_generator, load_prior
from preimage.storage.folder import Folder


@dataclass(frozen=True)
class InversionTask:
    """What a worker needs to make any part. It is sent to workers, so it holds addresses."""

    generator: Folder
    dataset: Folder
    writer: StoreWriter
    config: InversionConfig
    seed: int
    rows: int
    """Images per part; the last part has the rest."""


class PartDone(TypedDict):
    """The cost of making one part."""

    part: int
    images: int
    steps: int
    passes: int
    """Generator evaluations of the search; the first part includes those of the setup, which all share."""
    diverged: int
    seconds: float


def part_rows(count: int, batch: int) -> int:
    """Images per part: some dozens of parts for a small dataset, 4,096 images for a large one."""
    return max(batch, min(4096, count // 32) // batch * batch)


def dataset_info(dataset: Dataset) -> DatasetInfo:
    """What a store says of its images."""
    return DatasetInfo(
        fingerprint=dataset.fingerprint,
        path=dataset.folder.uri,
        count=dataset.count,
        available=dataset.available,
    )


class Inverter:
    """Makes parts, as pieces of work: it is sent to workers, and opens generator and dataset once in each."""

    def __init__(self, task: InversionTask) -> None:
        self.task = task
        self._open: _Opened | None = None

    def __call__(self, piece: int, device: torch.device) -> PartDone:
        """Invert a part's images and write their codes."""
        if not self._open:
            self._open = _Opened(self.task, device)
        opened, begin = self._open, time.perf_counter()
        first = piece * self.task.rows
        images = opened.dataset.read(first, min(first + self.task.rows, opened.dataset.count))
        labels = images.labels if opened.engine.classes else None
        pixels = to_float(images.pixels)
        found = opened.engine.invert(pixels, ids=images.image_id, labels=labels, measured=False)
        codes = _codes(images, found)
        setup = 0 if piece else opened.engine.setup.passes
        self.task.writer.write(piece, codes)
        seconds = time.perf_counter() - begin
        return PartDone(
            part=piece,
            images=len(images.image_id),
            steps=int(found.steps.sum()),
            passes=setup + int(found.passes.sum()),
            diverged=int(codes.diverged.sum()),
            seconds=seconds,
        )

    def finished(self, pieces: Sequence[int]) -> dict[int, PartDone | None]:
        """The parts already in the store; their cost is no longer known."""
        return dict.fromkeys(self.task.writer.done() & set(pieces))

    def size(self, piece: int) -> int:
        """Images in a part."""
        return min(self.task.rows, self.task.writer.plan.count - piece * self.task.rows)


class _Opened:
    def __init__(self, task: InversionTask, device: torch.device) -> None:
        generator, card = load_generator(task.generator)
        prior = load_prior(task.generator, card)
        self.dataset, kept = Dataset.open(task.dataset), SetupCache.beside(task.generator, card)
        count = self.dataset.count
        self.engine = Engine(
            generator, task.config, prior, seed=task.seed, device=device, images=count, setups=kept
        )


def _codes(images: Images, found: Inversion) -> Codes:
    """What the store keeps. A diverged image has no loss, and the best code of its search."""
    return Codes(
        image_id=images.image_id,
        label=images.labels,
        z=found.z,
        loss=torch.where(found.diverged | ~found.loss.isfinite(), torch.nan, found.loss),
        steps=found.steps,
        restart=found.restart,
        converged=found.converged,
    )
