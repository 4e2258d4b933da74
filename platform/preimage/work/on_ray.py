"""Pieces of work on a pool of actors, with Ray Data."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, cast

import ray
import torch
from ray.data import ActorPoolStrategy, DataContext
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from preimage.cluster.connect import require
from preimage.config import Resources
from preimage.errors import PreimageError, error_of, plain
from preimage.storage.folder import Folder
from preimage.work.node_watch import NodeWatch
from preimage.work.reproducible import prepare_process

Work = Callable[[int, torch.device], Any]

WAVE = 10_000
"""Pieces given to Ray Data at a time: each costs some 12 kB on the driver and delays the first by 1.3 ms."""


def spread(
    work: Work, pieces: list[int], resources: Resources, system: Folder | None = None
) -> Iterator[tuple[int, Any]]:
    """Call `work` on every piece, in `resources.workers` actors, and yield each result as it arrives.

    `work` is pickled once per actor; what it returns must be JSON. A piece whose worker or node dies is
    retried elsewhere, up to `resources.max_failures` times. system: where the actors' nodes keep their system
    metrics, if anywhere. Raises the PreimageError that `work` raised, and
    PreimageError if the cluster can never hold the workers, or one piece keeps killing them.
    """
    worker = require(resources)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    starts = ray.remote(_Starts).options(num_cpus=0, scheduling_strategy=here).remote()
    constructed = (work, worker, starts, NodeWatch.from_driver(system) if system else None)
    with _quiet():
        for first in range(0, len(pieces), WAVE):
            yield from _wave(pieces[first : first + WAVE], resources, worker, constructed)


def _wave(
    pieces: list[int], resources: Resources, worker: Resources, constructed: tuple[Any, ...]
) -> Iterator[tuple[int, Any]]:
    """The same, for at most WAVE pieces, by actors that are constructed with these arguments."""
    rows = ray.data.from_items([{"piece": piece} for piece in pieces], override_num_blocks=len(pieces))
    answers = rows.map_batches(
        _Actor,
        fn_constructor_args=constructed,
        batch_size=1,
        compute=ActorPoolStrategy(size=min(resources.workers, len(pieces))),
        num_cpus=worker.cpus_per_worker,
        num_gpus=1 if worker.gpu else 0,
    )
    # Closed explicitly: after an exception the iteration would continue in its own thread for as long as
    # anything holds the exception, and a thread that calls Ray while Ray shuts down kills the process.
    with closing(iter(answers.iter_batches(batch_size=1))) as batches:  # pyright: ignore
        for batch in batches:
            answer = json.loads(batch["answer"][0])
            if "error" in answer:
                raise error_of(answer["error"])
            yield answer["piece"], answer["result"]


class _Starts:
    """Counts how often each piece was started. It lives on the driver's node, and so as long as the driver.

    Ray's own limit counts attempts, not deaths: while a node is going down, each attempt to reach it fails
    at once, and a few are spent before Ray knows. So Ray retries without limit, and this sets the limit.
    """

    def __init__(self) -> None:
        self._starts: Counter[int] = Counter()

    def count(self, piece: int) -> int:
        self._starts[piece] += 1
        return self._starts[piece]


class _Actor:
    """A Ray Data worker. A failure that the user can fix travels as data, without Ray's traceback."""

    def __init__(self, work: Work, resources: Resources, starts: Any, nodes: NodeWatch | None) -> None:
        self._work, self._resources, self._starts = work, resources, starts
        self._watch = ExitStack()
        if nodes:
            self._watch.enter_context(nodes.watching())  # as long as this process lives
        prepare_process(resources.cpus_per_worker, resources.deterministic)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"answer": [json.dumps(self._answer(int(piece))) for piece in batch["piece"]]}

    def _answer(self, piece: int) -> dict[str, Any]:
        try:
            self._check_deaths(piece)
            return {"piece": piece, "result": self._work(piece, self._resources.device())}
        except PreimageError as error:
            return {"piece": piece, "error": plain(error)}

    def _check_deaths(self, piece: int) -> None:
        deaths = cast(int, ray.get(self._starts.count.remote(piece))) - 1
        if deaths > self._resources.max_failures:
            raise PreimageError(
                f"a worker died {deaths} times at the same piece of work, perhaps out of memory. "
                "Finished work is kept: run the same command again with fewer resources.workers."
            )


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
