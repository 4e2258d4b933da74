"""Independent trials of one job, as pieces of work: each done once, its results saved as it finishes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from preimage.config import Resources
from preimage.storage.folder import Folder
from preimage.work.pieces import run_pieces

T = TypeVar("T")
Results = dict[str, Tensor]


def run_trials(
    folder: Folder,
    resources: Resources,
    trials: Mapping[str, T],
    work: Callable[[T, torch.device], Results],
    on_progress: Callable[[int, int], None],
    system: Folder | None = None,
) -> dict[str, Results]:
    """Do every trial, and return its results by name.

    trials: the first argument of `work`, by a name that also names the file; the second is the device. The
    worker that does a trial writes its results to <folder>/<name>.safetensors, so a job that was killed does
    only what is missing. `work` and its arguments are pickled: `work` is a module-level function, a
    functools.partial of one, or a frozen dataclass with `__call__`; they hold addresses rather than networks.
    system: as for `run_pieces`. Raises the PreimageError that a trial raised."""
    pieces = _Trials(folder, tuple(trials.items()), work)
    for _ in run_pieces(pieces, range(len(trials)), resources, on_progress, system):
        pass
    return {name: load(folder.read(_file(name))) for name in trials}


@dataclass(frozen=True)
class _Trials(Generic[T]):
    """Does a trial, by its index, and writes its results."""

    folder: Folder
    trials: Sequence[tuple[str, T]]
    work: Callable[[T, torch.device], Results]

    def __call__(self, piece: int, device: torch.device) -> None:
        name, trial = self.trials[piece]
        results = self.work(trial, device)
        whole = {
            key: each.detach().cpu().clone(memory_format=torch.contiguous_format)
            for key, each in results.items()
        }
        self.folder.write(_file(name), save(whole))

    def finished(self, pieces: Sequence[int]) -> dict[int, None]:
        existing = set(self.folder.names())
        names = {piece: self.trials[piece][0] for piece in pieces}
        return {
            piece: None for piece, name in names.items() if _file(name) in existing and self._is_whole(name)
        }

    def size(self, piece: int) -> int:
        return 1

    def _is_whole(self, name: str) -> bool:
        """Whether an earlier attempt's file can be read; a trial with a damaged file is repeated."""
        try:
            load(self.folder.read(_file(name)))
        except SafetensorError:
            return False
        return True


def _file(name: str) -> str:
    return f"{name}.safetensors"
