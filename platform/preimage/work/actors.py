"""Spread independent pieces of work over a cluster's actors with Ray Data."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext

from preimage import errors

Work = Callable[[int], Any]

WAVE = 10_000
"""Pieces that Ray Data is told of at a time: each is some 12 kB of the driver and 1.3 ms before the first."""


def spread(work: Work, pieces: list[int], *, actors: int, cpus: float = 1, gpus: float = 0) -> Iterator[Any]:
    """Call `work` on every piece, in an actor pool, and yield what it returns as it comes.

    `work` is pickled once for each actor; what it returns must be JSON. A piece whose actor or node dies is
    done again elsewhere, so doing a piece twice must do no harm. Raises the PreimageError that `work` raised.
    """
    with _quiet():
        for first in range(0, len(pieces), WAVE):
            yield from _wave(work, pieces[first : first + WAVE], actors, cpus, gpus)


def _wave(work: Work, pieces: list[int], actors: int, cpus: float, gpus: float) -> Iterator[Any]:
    """The same, of pieces that are not too many."""
    rows = ray.data.from_items([{"piece": piece} for piece in pieces], override_num_blocks=len(pieces))
    answers = rows.map_batches(
        _Actor,
        fn_constructor_args=(work,),
        batch_size=1,
        compute=ActorPoolStrategy(size=min(actors, len(pieces))),
        num_cpus=cpus,
        num_gpus=gpus,
    )
    # Closed by hand: an iteration that an exception leaves would go on, in its own thread, for as long as
    # someone holds the exception, and a thread that calls Ray while Ray shuts down ends the process.
    with closing(iter(answers.iter_batches(batch_size=1))) as batches:  # pyright: ignore
        for batch in batches:
            answer = json.loads(batch["answer"][0])
            if "error" in answer:
                raise getattr(errors, answer["error"], errors.PreimageError)(answer["message"])
            yield answer["result"]


class _Actor:
    """A worker of Ray Data. A failure that the user can mend travels as data, without Ray's traceback."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"answer": [self._answer(int(piece)) for piece in batch["piece"]]}

    def _answer(self, piece: int) -> str:
        try:
            return json.dumps({"result": self._work(piece)})
        except errors.PreimageError as error:
            return json.dumps({"error": type(error).__name__, "message": str(error)})


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Ray Data's own progress bars and notes; the caller shows progress in images."""
    context, logger = DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, context.print_on_execution_start, logger.level
    context.enable_progress_bars = context.print_on_execution_start = False
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before[:2]
        logger.setLevel(before[2])
