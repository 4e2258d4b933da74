"""Independent pieces of work, each done once on any free worker: the one engine of trials, evaluation,
inversion and preparation.

The worker that does a piece writes its result where `finished` finds it, whole or not at all. So a job that
was killed does only what is missing, and a piece done twice, because its worker died, does no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from preimage.config import Resources
from preimage.storage.folder import Folder

if TYPE_CHECKING:
    import torch

Done = TypeVar("Done", covariant=True)


class Pieces(Protocol[Done]):
    """Work in numbered pieces. It is pickled for the workers, so it holds addresses rather than networks, and
    opens them on its first call."""

    def __call__(self, piece: int, device: torch.device) -> Done:
        """Do a piece on a device and keep its result; the return value is JSON. Raises PreimageError."""
        ...

    def finished(self, pieces: Sequence[int]) -> Mapping[int, Done | None]:
        """The pieces that an earlier attempt finished, and what is known of each."""
        ...

    def size(self, piece: int) -> int:
        """How much a piece adds to the progress: its number of images, or 1."""
        ...


def run_pieces(
    work: Pieces[Done],
    pieces: Sequence[int],
    resources: Resources,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    system: Folder | None = None,
) -> Iterator[tuple[int, Done | None]]:
    """Do what is missing, on `resources.workers` Ray workers, or in this process with `backend: local`.

    Yields every piece: first those of earlier attempts, then each as it finishes. system: where workers on
    other nodes keep their nodes' system metrics. Raises the PreimageError
    that a piece raised, and PreimageError if workers keep dying at the same one."""
    earlier = work.finished(pieces)
    missing = [piece for piece in pieces if piece not in earlier]
    total, done = sum(map(work.size, pieces)), sum(map(work.size, earlier))
    on_progress(done, total)
    yield from earlier.items()
    for piece, result in _do(work, missing, resources, system):
        done += work.size(piece)
        on_progress(done, total)
        yield piece, result


def _do(
    work: Pieces[Done], pieces: list[int], resources: Resources, system: Folder | None
) -> Iterator[tuple[int, Done]]:
    from preimage.work.reproducible import prepare_process

    if resources.backend == "local":
        prepare_process(resources.cpus_per_worker, resources.deterministic)
        for piece in pieces:
            yield piece, work(piece, resources.device())
    elif pieces:
        from preimage.work.on_ray import spread  # Ray is not needed otherwise

        yield from spread(work, pieces, resources, system)
