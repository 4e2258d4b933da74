"""Execute a training run: on Ray Train, or in this process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from preimage.config import Resources
from preimage.errors import PreimageError, StorageError
from preimage.runs.run_folder import RunFolder
from preimage.training.batch_size import check_batch
from preimage.training.loop import train
from preimage.training.training import Training
from preimage.training.worker import Worker
from preimage.work.reproducible import prepare_process

POLL_S = 0.5
"""Seconds between two reads of the workers' progress."""


def fit(training: Training, resources: Resources, on_progress: Callable[[int, int], None]) -> None:
    """Train, resuming from the run's newest checkpoint; replaces workers that die.

    on_progress: called with the images seen, and the total.
    Raises NonFiniteError, CheckpointError, DataError; PreimageError if workers keep dying.
    """
    check_batch(training.loop, resources)
    training.run.forget_progress()
    on_progress(0, training.loop.total_images)
    with _watching(training.run, on_progress):
        if resources.backend == "local":
            _fit_here(training, resources)
        else:
            from preimage.training.on_ray import fit_on_ray  # Ray is not needed otherwise

            fit_on_ray(training, resources)
    on_progress(training.loop.total_images, training.loop.total_images)


def _fit_here(training: Training, resources: Resources) -> None:
    if resources.workers > 1:
        raise PreimageError(
            "resources.backend=local runs one process: set resources.workers=1, or backend=ray."
        )
    prepare_process(resources.cpus_per_worker, resources.deterministic)
    train(Worker.of_process_group(resources.device()), training)


@contextmanager
def _watching(run: RunFolder, on_progress: Callable[[int, int], None]) -> Iterator[None]:
    """Report the workers' progress, wherever they are, from what the main worker writes."""
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(POLL_S):
            try:
                if state := run.progress():
                    on_progress(min(state["done"], state["total"] - 1), state["total"])
            except StorageError:
                continue  # unreachable for a moment; if it lasts, the work itself reports it

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(timeout=10)
