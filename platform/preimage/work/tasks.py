"""Do independent pieces of work as Ray tasks, so many at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

from preimage import errors
from preimage.cluster.connect import require
from preimage.config import Resources
from preimage.errors import PreimageError

T = TypeVar("T")


def run_tasks(work: Callable[[T], None], pieces: Sequence[T], resources: Resources) -> Iterator[T]:
    """Call `work` on every piece, `resources.workers` at a time, and yield each piece as it is done.

    `work` and the pieces travel by pickle. A piece whose worker or node dies is done again, at most
    `resources.max_failures` times, so doing a piece twice must do no harm. Raises the PreimageError that
    `work` raised, and PreimageError where workers keep dying.
    """
    task = ray.remote(_answer).options(
        num_cpus=resources.cpus_per_worker,
        num_gpus=1 if require(resources) else 0,
        max_retries=resources.max_failures,
    )
    waiting, running = list(reversed(pieces)), {}
    try:
        while waiting or running:
            while waiting and len(running) < resources.workers:
                piece = waiting.pop()
                running[task.remote(work, piece)] = piece
            (done,), _ = ray.wait(list(running))
            piece = running.pop(done)
            _raise_failure(_result(done, resources.max_failures))
            yield piece
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _answer(work: Callable[[T], None], piece: T) -> tuple[str, str] | None:
    """A failure that the user can mend travels as data, without Ray's traceback, and is not retried."""
    try:
        work(piece)
    except PreimageError as error:
        return type(error).__name__, str(error)
    return None


def _result(done: ray.ObjectRef, retries: int) -> tuple[str, str] | None:
    try:
        return ray.get(done)
    except (NodeDiedError, OutOfMemoryError, WorkerCrashedError) as error:
        raise PreimageError(
            f"a worker died {retries + 1} times at the same piece of work, perhaps for want of memory. "
            "What was finished is kept: run the same command again, with fewer resources.workers."
        ) from error


def _raise_failure(failure: tuple[str, str] | None) -> None:
    if failure:
        name, message = failure
        raise getattr(errors, name, PreimageError)(message)
