"""Independent trials of one job: each done once, wherever there is room, and kept as it is done."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from preimage.config import Resources
from preimage.jobs.context import Context
from preimage.storage.folder import Folder
from preimage.work.reproducible import prepare_process

T = TypeVar("T")
Results = dict[str, Tensor]


def run_trials(
    context: Context, trials: Mapping[str, T], work: Callable[[T], Results], task: str
) -> dict[str, Results]:
    """The results of every trial by its name: as Ray tasks, or in this process with `backend: local`.

    `trials`: what `work` is called with, by a name that serves as a file's; `task`: what the user sees.
    A trial's results are written to trials/<name>.safetensors in the run's folder by the worker that did it,
    so a job that was killed does only what is missing. `work` and what it is called with travel by pickle:
    a module-level function, a functools.partial of one, or a frozen dataclass with `__call__`; they hold
    addresses rather than networks. Raises the PreimageError that a trial raised.
    """
    folder = context.run.folder / "trials"
    there = set(folder.names())
    results = {name: found for name in trials if _file(name) in there and (found := _read(folder, name))}
    advance = context.show(task)
    advance(len(results), len(trials))
    missing = [(name, trial) for name, trial in trials.items() if name not in results]
    for name, _ in _do(_Trial(folder, work, context.resources.cpus_per_worker), missing, context.resources):
        results[name] = load(folder.read(_file(name)))
        advance(len(results), len(trials))
    return {name: results[name] for name in trials}


@dataclass(frozen=True)
class _Trial(Generic[T]):
    """Does a trial and writes what it gave. It travels to workers as it is."""

    folder: Folder
    work: Callable[[T], Results]
    cpus: int

    def __call__(self, named: tuple[str, T]) -> None:
        prepare_process(self.cpus)
        name, trial = named
        results = self.work(trial)
        whole = {
            key: each.detach().cpu().clone(memory_format=torch.contiguous_format)
            for key, each in results.items()
        }
        self.folder.write(_file(name), save(whole))


def _do(work: _Trial[T], trials: list[tuple[str, T]], resources: Resources) -> Iterator[tuple[str, T]]:
    """Do these trials, yielding each as it is done."""
    if resources.backend == "local":
        for trial in trials:
            work(trial)
            yield trial
    elif trials:
        from preimage.work.tasks import run_tasks  # Ray is not needed otherwise

        yield from run_tasks(work, trials, resources)


def _file(name: str) -> str:
    return f"{name}.safetensors"


def _read(folder: Folder, name: str) -> Results | None:
    """What an earlier attempt left; None where the file was cut short or altered: the trial is done again."""
    try:
        return load(folder.read(_file(name)))
    except SafetensorError:
        return None
