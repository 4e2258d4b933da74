"""What an inversion costs, counted as its parts finish."""

import time

from preimage.inversion.dataset import PartDone
from preimage.jobs.base import Context
from preimage.jobs.invert.job import COUNTS
from preimage.runs.run_folder import Curves


class Cost:
    """Counts the finished images and their cost, and records the speed over them."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.begin, self.images, self.steps = time.perf_counter(), 0, 0
        curves = context.run.curves()
        self.counts = {name: _latest(curves, name) for name in COUNTS}

    def add(self, images: int, done: PartDone | None) -> None:
        """Add a part of this many images and its cost; None if an earlier attempt finished it."""
        self.images += images
        if done:
            self.steps += done["steps"]
            self.counts["generator_evaluations"] += done["passes"]
            self.counts["diverged"] += done["diverged"]
            self.context.run.record(self.images, {"seconds_per_part": done["seconds"], **self.metrics()})

    def metrics(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.begin
        return self.counts | ({"image_steps_per_second": self.steps / seconds} if self.steps else {})


def _latest(curves: Curves, name: str) -> int:
    """The count of earlier attempts."""
    return int(max((value for _, value in curves.get(name, [])), default=0))
