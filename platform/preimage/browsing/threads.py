"""How many threads compute a small network: one, unless more are faster here and now.

Two threads wait for each other after every layer. On two cores that other programs used too, an image of 28
pixels took 263 ms by two threads and 2 ms by one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

SLOW = 0.03
"""Seconds of the processor by one thread below which no others are tried."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with so many threads what this thread asks of torch; afterwards with as many as before."""
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def quicker_count(compute: Callable[[], object]) -> int:
    """1, or torch's own number of threads if the computation is slow and that makes it faster."""
    own = torch.get_num_threads()
    with threads(1):
        compute()
        used, alone = _seconds(compute)
    if own == 1 or used < SLOW:
        return 1
    compute()
    return own if _seconds(compute)[1] < alone else 1


def _seconds(compute: Callable[[], object]) -> tuple[float, float]:
    """What it takes of this thread's processor time, which other programs change little, and what passes."""
    used, begin = time.thread_time(), time.perf_counter()
    compute()
    return time.thread_time() - used, time.perf_counter() - begin
