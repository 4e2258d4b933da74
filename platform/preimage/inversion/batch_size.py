"""How many codes a batch has, where the config leaves it to the device."""

from collections.abc import Callable

import torch
from torch import Tensor

from preimage.inversion.config import CPU_BATCH
from preimage.inversion.free_memory import free_memory
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import Solver

TRIED = 16
"""Codes whose step is measured."""
MOST, SHARE = 2048, 0.5
"""The most codes, and the share of the free memory that their steps may take."""


def fitting_batch(
    device: torch.device, problem: Problem, solver: Solver, begin: Callable[[Tensor], Rows]
) -> int:
    """Codes per batch on a CUDA GPU, for more than CPU_BATCH searches. begin: from their numbers (n,) to
    their rows.

    It makes two steps with a few of them: the first loads what the GPU needs of libraries, the second shows
    the memory that a code takes.
    """
    some = torch.arange(TRIED)
    _step(problem, solver, begin(some))
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    _step(problem, solver, begin(some))
    taken = torch.cuda.max_memory_allocated(device) - before
    return fitting(free_memory(device), taken / TRIED)


def fitting(free: int, each: float) -> int:
    """The codes that take a share of `free` bytes at `each` bytes a code; a multiple of CPU_BATCH if there
    are as many."""
    room = int(min(MOST, SHARE * free / max(each, 1)))
    return room // CPU_BATCH * CPU_BATCH if room >= CPU_BATCH else max(room, 1)


def _step(problem: Problem, solver: Solver, rows: Rows) -> None:
    rows.low = torch.zeros_like(rows.low)  # full precision takes more
    solver.step(problem, rows, solver.begin(rows.z))
