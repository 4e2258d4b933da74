"""What an inversion's metrics and figures need of the codes, gathered while the store's rows are checked."""

import math

import numpy as np

from preimage.latents.schema import Codes
from preimage.latents.tally import COLUMNS, Tally


class Found:
    """The tally of a store, and how large its codes are, if that is asked for: they are most of its bytes."""

    def __init__(self, with_size: bool) -> None:
        self.tally = Tally()
        self.columns = (*COLUMNS, "z") if with_size else COLUMNS
        self._squares, self._components = 0.0, 0

    def add(self, codes: Codes) -> None:
        """Add codes with these columns."""
        self.tally.add(codes)
        if "z" in self.columns:
            z = codes.z.numpy()[~codes.diverged.numpy()]  # torch's threads would take the readers' cores
            self._squares += float(np.square(z, dtype=np.float64).sum())
            self._components += z.size

    @property
    def size(self) -> float:
        """The root mean square of the codes' components, without diverged images; NaN if it is not known."""
        return math.sqrt(self._squares / self._components) if self._components else math.nan
