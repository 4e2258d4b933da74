"""Run a training to its end: on Ray Train, or in this process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from preimage.config import Resources
from preimage.errors import PreimageError, StorageError
from preimage.runs.run_folder import RunFolder
from preimage.training.config import LoopConfig
from preimage.training.loop import train
from preimage.training.training import Training
from preimage.training.worker import Worker
from preimage.work.reproducible import prepare_process

SEEN_EVERY = 0.5
"""Seconds between two looks at how far the workers are."""


def check_batch(loop: LoopConfig, resources: Resources) -> None:
    """Raise PreimageError where a worker would have no image of a batch."""
    if loop.batch_size < resources.workers:
        raise PreimageError(
            f"{resources.workers} workers cannot share a batch of {loop.batch_size} images: each needs one. "
            "Set resources.workers lower, or training.batch_size higher."
        )


def fit(training: Training, resources: Resources, advance: Callable[[int, int], None]) -> None:
    """Train, resuming from the run's newest checkpoint; a worker that dies is replaced.

    `advance` is told how many images have been seen, and of how many.
    Raises NonFiniteError, CheckpointError, DataError; PreimageError where workers keep dying.
    """
    check_batch(training.loop, resources)
    training.run.forget_progress()
    advance(0, training.loop.total_images)
    with _watching(training.run, advance):
        if resources.backend == "local":
            _fit_here(training, resources)
        else:
            from preimage.training.on_ray import fit_on_ray  # Ray is not needed otherwise

            fit_on_ray(training, resources)
    advance(training.loop.total_images, training.loop.total_images)


def _fit_here(training: Training, resources: Resources) -> None:
    if resources.workers > 1:
        raise PreimageError(
            "resources.backend=local is one process: set resources.workers=1, or backend=ray."
        )
    prepare_process(resources.cpus_per_worker)
    train(Worker.of_process_group(), training)


@contextmanager
def _watching(run: RunFolder, advance: Callable[[int, int], None]) -> Iterator[None]:
    """Show how far the workers are, wherever they are, from what the first of them writes down."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(SEEN_EVERY):
            try:
                if state := run.progress():
                    advance(min(state["done"], state["total"] - 1), state["total"])
            except StorageError:
                continue  # out of reach for a moment; the work itself says so if it stays

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)
