"""Pieces of work on a pool of actors, with Ray Data."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError
from ray.util.annotations import RayDeprecationWarning

from preimage.cluster.connect import require
from preimage.config import Resources
from preimage.errors import PreimageError, error_of, plain

Work = Callable[[int], Any]

WAVE = 10_000
"""Pieces given to Ray Data at a time: each costs some 12 kB on the driver and delays the first by 1.3 ms."""


def spread(work: Work, pieces: list[int], resources: Resources) -> Iterator[tuple[int, Any]]:
    """Call `work` on every piece, in `resources.workers` actors, and yield each result as it arrives.

    `work` is pickled once per actor; what it returns must be JSON. A piece whose worker or node dies is
    retried elsewhere, up to `resources.max_failures` times. Raises the PreimageError that `work` raised, and
    PreimageError if the cluster can never hold the workers, or they keep dying.
    """
    gpus = 1 if require(resources) else 0
    with _quiet():
        for first in range(0, len(pieces), WAVE):
            yield from _wave(work, pieces[first : first + WAVE], resources, gpus)


def _wave(work: Work, pieces: list[int], resources: Resources, gpus: int) -> Iterator[tuple[int, Any]]:
    """The same, for at most WAVE pieces."""
    rows = ray.data.from_items([{"piece": piece} for piece in pieces], override_num_blocks=len(pieces))
    with warnings.catch_warnings():
        # max_task_retries has no other way in until Ray 2.64, which takes this one away.
        warnings.simplefilter("ignore", RayDeprecationWarning)
        answers = rows.map_batches(
            _Actor,
            fn_constructor_args=(work,),
            batch_size=1,
            compute=ActorPoolStrategy(size=min(resources.workers, len(pieces))),
            num_cpus=resources.cpus_per_worker,
            num_gpus=gpus,
            max_task_retries=resources.max_failures,
        )
    # Closed explicitly: after an exception the iteration would continue in its own thread for as long as
    # anything holds the exception, and a thread that calls Ray while Ray shuts down kills the process.
    with _dying(resources), closing(iter(answers.iter_batches(batch_size=1))) as batches:  # pyright: ignore
        for batch in batches:
            answer = json.loads(batch["answer"][0])
            if "error" in answer:
                raise error_of(answer["error"])
            yield answer["piece"], answer["result"]


@contextmanager
def _dying(resources: Resources) -> Iterator[None]:
    """Report workers that keep dying at one piece as one message."""
    try:
        yield
    except (NodeDiedError, OutOfMemoryError, RayActorError) as error:
        raise PreimageError(
            f"a worker died {resources.max_failures + 1} times at the same piece of work, perhaps out of "
            "memory. Finished work is kept: run the same command again with fewer resources.workers."
        ) from error


class _Actor:
    """A Ray Data worker. A failure that the user can fix travels as data, without Ray's traceback."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"answer": [json.dumps(self._answer(int(piece))) for piece in batch["piece"]]}

    def _answer(self, piece: int) -> dict[str, Any]:
        try:
            return {"piece": piece, "result": self._work(piece)}
        except PreimageError as error:
            return {"piece": piece, "error": plain(error)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Ray Data's own progress bars and notes; the caller shows progress in images."""
    context, logger = DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, context.print_on_execution_start, logger.level
    context.enable_progress_bars = context.print_on_execution_start = False
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before[:2]
        logger.setLevel(before[2])
