"""Training on Ray Train over a bare loop, and on two workers over one."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from preimage.cluster.connect import connect
from preimage.config import Resources
from preimage.data.config import DataConfig
from preimage.data.dataset import Images
from preimage.data.preparing.prepare import prepare
from preimage.models.config import DcganConfig
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.export import export_generator
from preimage.training.gan import GanAlgorithm
from preimage.training.on_ray import fit_on_ray
from preimage.training.training import Training
from preimage.training.worker import Worker

from .bare import Bare, bare_process
from .measure import Measurement, measured

SMALL = DcganConfig(latent_dim=100, prior="normal", image_size=32, channels=3, base_channels=32)
ORDINARY = DcganConfig(latent_dim=100, prior="normal", image_size=64, channels=3, base_channels=64)
RESULT = "pairs.json"
SEED = 1

Other = Callable[[int], float]
"""So many steps of another way: seconds."""

Turn = list[list[float]]
"""Seconds that pass and those of this process's processor, for the loop and for each of the other ways."""


def ray_over_bare(quick: bool) -> Measurement:
    """A small DCGAN, so that whatever the loop adds to a step shows; the bare loop runs without Ray."""
    batch, steps, segments = 100, 10, 4 if quick else 16
    with bare_process(partial(bare_loop, SMALL, batch)) as address:
        build = partial(_against_process, address, steps)
        turns, pause = _train(SMALL, batch, steps, segments, workers=1, build=build)
    # What comes once in 100,000 images is timed apart and counted as often as it comes.
    rare = pause * batch * steps / LoopConfig().checkpoint_every
    ratios = [bare / (loop + rare) for (loop, _), (bare, _) in turns]
    note = f"a checkpoint and a grid take {pause * 1000:.0f} ms in 100,000 images"
    return measured("train.ray_over_bare", ratios, "x", 0.97, note)


def two_workers(quick: bool) -> list[Measurement]:
    """Two workers of one thread over one of one thread, on the same batch."""
    batch, steps, segments = LoopConfig().batch_size, 2, 3 if quick else 7
    build = partial(_against_one_worker, batch, steps)
    turns, _ = _train(ORDINARY, batch, steps, segments, workers=2, build=build)
    name = "train.two_workers"
    two, one, apart = (np.array([turn[way] for turn in turns]) for way in range(3))
    most, busy = one[:, 0] / apart[:, 0], one[:, 1] / two[:, 1]
    note = f"two processes that exchange nothing reach {statistics.median(most):.2f}"
    return [
        measured(name, (one[:, 0] / two[:, 0]).tolist(), "x", 1.7, note),
        measured(f"{name}.no_exchange", most.tolist(), "x"),
        measured(f"{name}.processor", busy.tolist(), "x", clock="processor"),
    ]


def bare_loop(model: DcganConfig, batch: int) -> Callable[[int], None]:
    """Steps on one batch, and nothing else."""
    algorithm = _learner(
        model, AlgorithmContext(Worker(), _no_images(model), LoopConfig(batch_size=batch), SEED)
    )
    images = torch.rand(batch, *model.shape) * 2 - 1
    rows = torch.arange(batch)

    def steps(number: int) -> None:
        for step in range(number):
            algorithm.step(rows, images, step)

    return steps


class InTurn:
    """An algorithm that, after so many steps in the loop, lets the other ways do as many, and times all."""

    def __init__(
        self, algorithm: GanAlgorithm, steps: int, others: Sequence[Other], folder: Folder | None = None
    ) -> None:
        self.inner, self.steps, self.others, self.folder = algorithm, steps, others, folder
        self.generator = algorithm.generator
        self.turns: list[Turn] = []
        self.pauses: list[float] = []
        self.done, self.began, self.paused, self.since = 0, _now(), np.zeros(2), None

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        now = _now()
        if self.since is not None:  # a checkpoint or a grid came between
            pause = now - self.since
            self.pauses.append(pause[0])
            self.paused, self.since = self.paused + pause, None
        if self.done % self.steps == 0:
            self._turn(now)
        self.done += 1
        return self.inner.step(rows, images, number)

    def _turn(self, now: np.ndarray) -> None:
        """A segment ends where the next one begins, so that all that the loop does counts."""
        others = [self._timed(other) for other in self.others]
        if self.done > self.steps:  # the first segment warms up
            self.turns.append([(now - self.began - self.paused).tolist(), *others])
        self.began, self.paused = _now(), np.zeros(2)

    def _timed(self, other: Other) -> list[float]:
        begin = time.process_time()
        return [other(self.steps), time.process_time() - begin]

    def samples(self, count: int) -> Tensor | None:
        self.since = _now() if self.since is None else self.since
        return self.inner.samples(count)

    def replicated_state(self) -> dict[str, Any]:
        self.since = _now() if self.since is None else self.since
        if self.folder:
            self.folder.write_json(RESULT, {"turns": self.turns, "pauses": self.pauses})
        return self.inner.replicated_state()

    def load_replicated_state(self, state: dict[str, Any]) -> None:
        self.inner.load_replicated_state(state)

    def sharded_state(self) -> dict[str, Any]:
        return self.inner.sharded_state()

    def load_sharded_state(self, state: dict[str, Any]) -> None:
        self.inner.load_sharded_state(state)

    def begin(self) -> None:
        self.inner.begin()

    def require_finite(self) -> None:
        self.inner.require_finite()

    def codes(self) -> None:
        return None


def _train(
    model: DcganConfig, batch: int, steps: int, segments: int, workers: int, build: Callable[..., InTurn]
) -> tuple[list[Turn], float]:
    """The turns after the first, and the seconds of a checkpoint with a grid."""
    connect()
    with tempfile.TemporaryDirectory() as name:
        folder = Folder.at(name)
        data = DataConfig(source="digits", size=model.image_size, channels=3)
        dataset = prepare(data, folder / "datasets", backend="local")
        segment = batch * steps
        images = (segments + 2) * segment + batch  # one to warm up, and a step to end the last
        rare = images // 3
        loop = LoopConfig(
            total_images=images,
            batch_size=batch,
            log_every=segment,
            sample_every=rare,
            checkpoint_every=rare,
        )
        training = Training(
            run=RunFolder(folder / "run"),
            dataset=dataset.folder,
            loop=loop,
            build=partial(build, model, folder),
            identity={},
            seed=SEED,
            export=export_generator,
        )
        fit_on_ray(training, Resources(workers=workers, gpu=False, max_failures=0))
        result = folder.read_json(RESULT)
    return result["turns"], max(result["pauses"][1:])


def _against_process(
    address: str, steps: int, model: DcganConfig, folder: Folder, context: AlgorithmContext
) -> InTurn:
    return InTurn(_learner(model, context), steps, [Bare(address)], folder)


def _against_one_worker(
    batch: int, steps: int, model: DcganConfig, folder: Folder, context: AlgorithmContext
) -> InTurn:
    """Rank 0 takes the whole batch alone while the other worker waits; then each takes half of it alone."""
    main = context.worker.is_main
    alone = bare_loop(model, batch) if main else None
    others = [partial(_between_barriers, each) for each in (alone, bare_loop(model, batch // 2))]
    return InTurn(_learner(model, context), steps, others, folder if main else None)


def _between_barriers(loop: Callable[[int], None] | None, number: int) -> float:
    dist.barrier()
    begin = time.perf_counter()
    if loop:
        loop(number)
    dist.barrier()
    return time.perf_counter() - begin


def _now() -> np.ndarray:
    """Seconds that pass, and those of this process's processor."""
    return np.array([time.perf_counter(), time.process_time()])


def _learner(model: DcganConfig, context: AlgorithmContext) -> GanAlgorithm:
    return GanAlgorithm(context, model, OptimizerConfig())


def _no_images(model: DcganConfig) -> Images:
    pixels = torch.empty(0, *model.shape, dtype=torch.uint8)
    return Images(torch.empty(0, dtype=torch.int64), pixels, torch.empty(0, dtype=torch.int32))
