"""The loop: batches in, metrics, samples and checkpoints out. It runs the same on Ray and in this process."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from preimage.data.dataset import Dataset, Images
from preimage.data.pixels import to_float
from preimage.figures.grids import grid_png
from preimage.reproducible import seed_of
from preimage.runs import RunFolder
from preimage.storage import Folder
from preimage.training import checkpoints
from preimage.training.batches import Batches
from preimage.training.config import LoopConfig
from preimage.training.learner import Learner, Setting
from preimage.training.worker import Worker

log = logging.getLogger(__name__)

GRID = 64
"""Samples in a grid."""


@dataclass(frozen=True)
class Training:
    """Everything a worker is told. It travels to Ray workers, so it holds addresses, not open things."""

    run: RunFolder
    dataset: Folder
    loop: LoopConfig
    build: Callable[[Setting], Learner]
    identity: dict[str, Any]
    """The config as far as it decides the result; a resume must agree with it."""
    seed: int
    cpus: int = 1


def train(worker: Worker, training: Training) -> None:
    """Train to the end, from the newest checkpoint where there is one.

    Leaves checkpoints, records of metrics and grids of samples in the run's folder.
    Raises NonFiniteError, CheckpointError, DataError.
    """
    images = worker.agree(lambda: _own_images(worker, Dataset.open(training.dataset)))
    found = checkpoints.newest(training.run.checkpoints) if worker.leads else None
    found = worker.from_leader(found)  # the first worker chooses for all
    stream = _stream_seed(worker, training.seed, found)
    learner = worker.agree(lambda: training.build(Setting(worker, images, training.seed, stream)))
    loop = Loop(worker, training, learner, images, stream)
    if found:
        worker.agree(lambda: loop.resume(found))
    loop.run()


def _stream_seed(worker: Worker, seed: int, found: checkpoints.Checkpoint | None) -> int:
    """The seed of shuffles and random streams: a fresh one where the number of workers has changed."""
    if not found or found.world_size == worker.world_size:
        return seed
    log.warning(
        "resuming on %d workers instead of %d: shuffles start anew", worker.world_size, found.world_size
    )
    return seed_of(seed, found.images, worker.world_size)


class Loop:
    """The state of a training between two steps."""

    def __init__(
        self, worker: Worker, training: Training, learner: Learner, images: Images, stream: int
    ) -> None:
        self.worker, self.learner, self.images = worker, learner, images
        self.config, self.run_folder, self.identity = training.loop, training.run, training.identity
        self.seen = 0
        own_batch = training.loop.batch // worker.world_size
        self.batches = Batches(len(images.pixels), own_batch, stream, worker.rank)
        self.sums: dict[str, Tensor] = {}
        self.since_log = self.since_checkpoint = 0
        self.score_sum, self.score_count = 0.0, 0
        self.clock = Clock()

    def run(self) -> None:
        if self.seen == 0 and self.worker.leads:
            self._draw()
        while self.seen < self.config.images:
            self._step()
            last = self.seen >= self.config.images
            if last or self._passed(self.config.log_every):
                self._record()
            if self.worker.leads and (last or self._passed(self.config.sample_every)):
                self._draw()
            if last or self._passed(self.config.checkpoint_every):
                self._checkpoint()

    def _step(self) -> None:
        rows = self.batches.next().to(self.images.pixels.device)
        metrics = self.learner.step(rows, to_float(self.images.pixels[rows]), self.seen // self.config.batch)
        self.seen += self.config.batch
        self.since_log += 1
        for name, value in metrics.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
        if self.worker.leads and self.clock.due():
            self._show_progress()

    def _passed(self, every: int) -> bool:
        """Whether the last step reached or crossed a multiple of so many images."""
        return self.seen // every > (self.seen - self.config.batch) // every

    def _record(self) -> None:
        """Average the metrics over the steps since the last record, and over the workers."""
        if not self.sums:
            return
        values = self.worker.mean(
            torch.stack([self.sums[name].float() for name in self.sums]) / self.since_log
        )
        metrics = dict(zip(self.sums, values.tolist(), strict=True))
        if self.config.best:
            self.score_sum += metrics[self.config.best] if self.config.best in metrics else float("nan")
            self.score_count += 1
        if self.worker.leads:
            self.run_folder.record(self.seen, metrics | {"images_per_second": self.clock.lap(self.seen)})
        self.sums, self.since_log = {}, 0

    def _draw(self) -> None:
        if not self.run_folder.has_samples(self.seen):
            self.run_folder.add_samples(self.seen, grid_png(self.learner.samples(GRID)))

    def _show_progress(self) -> None:
        self.run_folder.show_progress(self.seen, self.config.images, self.clock.rate(self.seen), os.getpid())

    def _checkpoint(self) -> None:
        meta = {"images": self.seen, "config": self.identity, "score": self._score()}
        own = {
            "learner": self.learner.own_state(),
            "drawn": self.batches.drawn,
            "random": torch.get_rng_state(),
            "sums": self.sums,
            "since_log": self.since_log,
        }
        folder = self.run_folder.checkpoints
        checkpoints.save(folder, self.worker, self.learner.shared_state(), own, meta)
        if self.worker.leads:
            checkpoints.prune(folder, self.config.best_is == "lowest")
            self._show_progress()

    def _score(self) -> float | None:
        """The chosen metric, averaged over the records since the last checkpoint."""
        score = self.score_sum / self.score_count if self.score_count else None
        self.score_sum, self.score_count = 0.0, 0
        return score if score is not None and score == score else None

    def resume(self, found: checkpoints.Checkpoint) -> None:
        """Take up a checkpoint. Raises CheckpointError where the config is another."""
        checkpoints.require_same(found, self.identity)
        states = [found.own(rank) for rank in range(found.world_size)]
        self.learner.load_shared_state(found.shared())
        self.learner.load_own_state([state["learner"] for state in states])
        self.seen = found.images
        self.clock = Clock(self.seen)
        if found.world_size == self.worker.world_size:
            own = states[self.worker.rank]
            self.batches.drawn, self.since_log = own["drawn"], own["since_log"]
            self.sums = {name: value.to(self.worker.device) for name, value in own["sums"].items()}
            torch.set_rng_state(own["random"])


class Clock:
    """Images a second since the loop began here, and when the next sign of life is due."""

    def __init__(self, seen: int = 0, every: float = 1.0) -> None:
        self.seen, self.every = seen, every
        self.start = self.shown = time.monotonic()
        self.last = (seen, self.start)

    def due(self) -> bool:
        now = time.monotonic()
        if now - self.shown < self.every:
            return False
        self.shown = now
        return True

    def rate(self, seen: int) -> float:
        """Since the loop began here."""
        return (seen - self.seen) / max(time.monotonic() - self.start, 1e-9)

    def lap(self, seen: int) -> float:
        """Since the last lap."""
        before, self.last = self.last, (seen, time.monotonic())
        return (seen - before[0]) / max(self.last[1] - before[1], 1e-9)


def _own_images(worker: Worker, dataset: Dataset) -> Images:
    images = dataset.share(worker.rank, worker.world_size)
    return images._replace(pixels=images.pixels.to(worker.device))
