"""What an inversion costs, counted as its parts finish."""

import logging
import time

from preimage.inversion.dataset import PartDone
from preimage.inversion.setup import WITHOUT_WHITENING
from preimage.jobs.base import Context
from preimage.jobs.invert.job import COUNTS
from preimage.runs.run_folder import Curves

log = logging.getLogger(__name__)


class Cost:
    """Counts the finished images and their cost, and records the speed over them."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.begin, self.images, self.steps = time.perf_counter(), 0, 0
        curves = context.run.curves()
        self.counts = {name: _latest(curves, name) for name in COUNTS}
        self.whitened: bool | None = None
        """None if no worker said so."""

    def add(self, images: int, done: PartDone | None) -> None:
        """Add a part of this many images and its cost; None if an earlier attempt finished it."""
        self.images += images
        if done:
            self.steps += done["steps"]
            self.counts["generator_evaluations"] += done["passes"]
            self.counts["diverged"] += done["diverged"]
            self._note_whitening(done["unwhitened"])
            self.context.run.record(self.images, {"seconds_per_part": done["seconds"], **self.metrics()})

    def _note_whitening(self, unwhitened: str | None) -> None:
        """Say once what the workers found; without Ray they said it here."""
        if unwhitened and self.whitened is None and self.context.resources.backend == "ray":
            log.warning(WITHOUT_WHITENING, unwhitened)
        self.whitened = unwhitened is None

    def metrics(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.begin
        return self.counts | ({"image_steps_per_second": self.steps / seconds} if self.steps else {})


def _latest(curves: Curves, name: str) -> int:
    """The count of earlier attempts."""
    return int(max((value for _, value in curves.get(name, [])), default=0))
