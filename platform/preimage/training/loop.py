"""The training loop: batches in; metrics, samples and checkpoints out. It runs the same on Ray and in this
process, on one worker or many."""

import os
from typing import Any

import torch
from torch import Tensor

from preimage.errors import CheckpointError, StoppedEarly
from preimage.figures.footer import with_footer
from preimage.figures.grids import grid_picture, png_of
from preimage.runs import checkpoints
from preimage.to_device import to_device
from preimage.training.algorithm import Algorithm, AlgorithmContext, rows_of_share
from preimage.training.batch_size import require_batch
from preimage.training.batches import Batches, shares
from preimage.training.clock import Clock
from preimage.training.examples import Examples, Shard
from preimage.training.networks import COLUMNS
from preimage.training.precision import step_products
from preimage.training.training import CheckpointEvaluator, Training
from preimage.training.worker import Worker

GRID = 64
"""Samples in a grid."""


def train(worker: Worker, training: Training) -> None:
    """Train to the end, from the newest checkpoint if there is one.

    Writes checkpoints, metrics and sample grids to the run's folder, and at the end what `training.export`
    writes, such as the generator. Raises NonFiniteError, CheckpointError, DataError.
    """
    dataset, images, first = worker.run_or_fail_together(lambda: _open(worker, training))
    context = AlgorithmContext(worker, images, training.loop, training.seed)
    algorithm = worker.run_or_fail_together(lambda: training.build(context))
    loop = worker.run_or_fail_together(lambda: Loop(worker, training, algorithm, images, dataset.count))
    if training.evaluation:
        loop.evaluator = training.evaluation.evaluator(worker, images, first, training.seed)
    saved = training.run.product("checkpoints")
    found = worker.run_or_fail_together(lambda: checkpoints.newest(saved) if worker.is_main else None)
    found = worker.broadcast(found)  # the main worker chooses for all
    if found:
        worker.run_or_fail_together(lambda: loop.resume(found))
    else:
        algorithm.begin()
    loop.run()
    chosen = worker.broadcast(worker.run_or_fail_together(lambda: loop.chosen() if worker.is_main else None))
    if chosen.images != loop.seen:
        worker.run_or_fail_together(lambda: loop.resume(chosen))
    training.export(worker, algorithm, training, dataset, images, loop.seen)


class Loop:
    """The state of a training run between two steps."""

    def __init__(
        self, worker: Worker, training: Training, algorithm: Algorithm, images: Shard, count: int
    ) -> None:
        """count: images in the dataset, of which `images` is this worker's shard. Raises DataError."""
        self.worker, self.algorithm, self.images, self.count = worker, algorithm, images, count
        self.config, self.run_folder, self.identity = training.loop, training.run, training.identity
        self.seen = 0
        self.batches = Batches(count, training.loop.batch_size, training.seed, worker.rank, worker.world_size)
        self.sums: dict[str, Tensor] = {}
        self.since_log = 0
        self.score_sum, self.score_count = 0.0, 0
        self.evaluator: CheckpointEvaluator | None = None
        self.on_host = training.data_device == "host"
        self.rule, self.spacing = training.stop_early, training.checkpoint_seconds
        self.clock = Clock()

    def run(self) -> None:
        if self.seen == 0 and self.worker.is_main:
            self._draw()
        while self.seen < self.config.total_images:
            self._step()
            last = self.seen >= self.config.total_images
            each = self.config.log_every, self.config.sample_every, self.config.checkpoint_every
            if last or any(map(self._passed, each)):
                self.algorithm.require_finite()
            if last or self._passed(self.config.log_every):
                self._record()
            if self.worker.is_main and (last or self._passed(self.config.sample_every)):
                self._draw()
            if last or self._passed(self.config.checkpoint_every):
                self._checkpoint(last)
        if self.worker.is_main:
            self._prune()  # what an attempt left that was killed while it did

    def _step(self) -> None:
        number = self.seen // self.config.batch_size
        rows, device = self.batches.at(number), self.worker.device
        there = to_device(rows, device)
        batch = self.images.batch(rows if self.on_host else there, device)
        with step_products(self.config.precision, device):
            metrics = self.algorithm.step(there, batch, number)
        self.seen += self.config.batch_size
        self.since_log += 1
        for name, value in metrics.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
        if self.worker.is_main and self.clock.due():
            self._show_progress()

    def _passed(self, every: int) -> bool:
        """Whether the last step reached or crossed a multiple of `every` images."""
        return self.seen // every > (self.seen - self.config.batch_size) // every

    def _record(self) -> None:
        """Average the metrics over the steps since the last record, and over the workers."""
        if not self.sums:
            return
        values = torch.stack(list(self._mean_sums().values())) / self.since_log
        metrics = dict(zip(self.sums, values.tolist(), strict=True))
        if self.config.select_by in metrics:
            self.score_sum += metrics[self.config.select_by]
            self.score_count += 1
        if self.worker.is_main:
            self.run_folder.record(self.seen, metrics | {"images_per_second": self.clock.lap(self.seen)})
        self.sums, self.since_log = {}, 0
        self._stop_early(metrics)

    def _stop_early(self, metrics: dict[str, float]) -> None:
        """Raise StoppedEarly, on every worker, if the rule says so."""
        if self.rule:
            reason = self.worker.broadcast(self.rule(self.seen, metrics) if self.worker.is_main else None)
            if reason:
                raise StoppedEarly(reason)

    def _mean_sums(self) -> dict[str, Tensor]:
        """The metrics' sums since the last record, averaged over the workers."""
        if not self.sums:
            return {}
        own = torch.stack([value.float() for value in self.sums.values()])
        values = self.worker.mean(own, self.config.batch_size)
        return dict(zip(self.sums, values, strict=True))

    def _draw(self) -> None:
        if not self.run_folder.has_samples(self.seen):
            images = self.algorithm.samples(GRID)
            if images is not None:
                made_by, grid = self.run_folder.made_by, grid_picture(images, COLUMNS)
                how = f"{made_by} · at {self.seen:,} images seen"
                self.run_folder.add_samples(self.seen, with_footer(grid, how) if made_by else png_of(grid))

    def _show_progress(self) -> None:
        self.run_folder.show_progress(
            self.seen, self.config.total_images, self.clock.rate(self.seen), os.getpid()
        )

    def _checkpoint(self, last: bool) -> None:
        """Score, and save unless the last checkpoint is recent. The state is the same either way."""
        scores = self._evaluate()
        score = scores.get(self.config.select_by or "", self._score())
        self.sums = self._mean_sums()
        if last or self._is_checkpoint_due():
            self._save({"images": self.seen, "config": self.identity, "score": score})

    def _is_checkpoint_due(self) -> bool:
        """Whether to save: always if something chooses between checkpoints. The same on all workers."""
        if self.config.select_by or self.evaluator or not self.spacing:
            return True
        return self.worker.broadcast(self.clock.since_saved() >= self.spacing)

    def _save(self, meta: dict[str, Any]) -> None:
        shared = {
            "algorithm": self.algorithm.replicated_state(),
            "sums": self.sums,
            "since_log": self.since_log,
            "random": torch.get_rng_state(),
        }
        folder = self.run_folder.product("checkpoints")
        checkpoints.save(folder, self.worker, shared, self.algorithm.sharded_state(), meta)
        self.clock.note_saved()
        if self.worker.is_main:
            self._prune()
            self._show_progress()

    def _prune(self) -> None:
        checkpoints.prune(self.run_folder.product("checkpoints"), self.config.lowest_is_best)

    def _evaluate(self) -> dict[str, float]:
        """Score and record samples, if the training run has an evaluator."""
        if not self.evaluator:
            return {}
        scores = self.evaluator.score(self.algorithm)
        if self.worker.is_main:
            self.run_folder.record(self.seen, scores, "scores")
        self._stop_early(scores)
        return scores

    def _score(self) -> float | None:
        """The `select_by` metric, averaged over the records since the last checkpoint."""
        score = self.score_sum / self.score_count if self.score_count else None
        self.score_sum, self.score_count = 0.0, 0
        return score if score is not None and score == score else None

    def resume(self, found: checkpoints.Checkpoint) -> None:
        """Load a checkpoint. Raises CheckpointError if its config differs."""
        checkpoints.require_same(found, self.identity)
        shared = found.shared()
        self.algorithm.load_replicated_state(shared["algorithm"])
        now, then = (
            shares(self.count, self.config.batch_size, workers)
            for workers in (self.worker.world_size, found.world_size)
        )
        own = rows_of_share(found.owns, then, now[self.worker.rank], now[self.worker.rank + 1])
        self.algorithm.load_sharded_state(own)
        self.seen = found.images
        self.clock = Clock(self.seen)
        self.since_log = shared["since_log"]
        self.sums = {name: value.to(self.worker.device) for name, value in shared["sums"].items()}
        torch.set_rng_state(shared["random"])

    def chosen(self) -> checkpoints.Checkpoint:
        """The checkpoint that becomes the result: the best by `select_by`, or the newest.

        Raises CheckpointError if none is complete.
        """
        folder = self.run_folder.product("checkpoints")
        best = checkpoints.best(folder, self.config.lowest_is_best) if self.config.select_by else None
        if found := best or checkpoints.newest(folder):
            return found
        raise CheckpointError(f"{folder.uri} holds no complete checkpoint; run the same command again")


def _open(worker: Worker, training: Training) -> tuple[Examples, Shard, int]:
    """All examples, this worker's shard, and the row where it begins. Raises DataError."""
    examples = training.open(training.dataset)
    require_batch(examples.count, training.loop.batch_size)
    edges = shares(examples.count, training.loop.batch_size, worker.world_size)
    shard = examples.read(edges[worker.rank], edges[worker.rank + 1])
    return (
        examples,
        shard.on(worker.device) if training.data_device == "device" else shard,
        edges[worker.rank],
    )
