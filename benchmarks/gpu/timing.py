"""Seconds on a device: the median of repetitions after a warm-up, with the device's work finished."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Times:
    """Seconds of one unit of work, over repetitions."""

    median: float
    low: float
    """The first quartile."""
    high: float
    repetitions: int


def finish(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(
    work: Callable[[int], object],
    device: torch.device,
    budget: float,
    segment: float = 0.25,
    most: int = 12,
    warm_up: int = 3,
    quick: bool = False,
) -> Times:
    """Seconds of one unit. `work(n)` does n units.

    Segments of so many units as take `segment` seconds, or of one if that is 0, are repeated `most` times, or
    until the budget is spent, but at least twice; one that takes longer than the budget counts alone.
    """
    if quick:  # does it run?
        segment, most, warm_up = 0.0, 2, 1
    begin = time.perf_counter()
    work(warm_up)  # also allocates, and lets cuDNN choose
    units = 1
    if segment:
        units = max(1, round(segment / max(_seconds(work, 1, device), 1e-6)))
    found: list[float] = []
    while len(found) < most and (len(found) < 2 or time.perf_counter() - begin < budget):
        found.append(_seconds(work, units, device) / units)
        if found[0] * units > budget:
            break
    return _times(found)


def _seconds(work: Callable[[int], object], units: int, device: torch.device) -> float:
    finish(device)
    begin = time.perf_counter()
    work(units)
    finish(device)
    return time.perf_counter() - begin


def _times(found: list[float]) -> Times:
    if len(found) == 1:
        return Times(found[0], found[0], found[0], 1)
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return Times(middle, low, high, len(found))
