"""Losses, steps and flags of a store in one pass: exact, in memory that does not grow with the store.

The losses, of 4 bytes each, wait in a temporary file, so that the median of float32 numbers is found in two
passes: their bits, read as integers, have the same order. The first pass counts the upper 16 bits, the second
the lower 16 bits of those where the median must be.
"""

import io
import math
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile, gettempdir
from typing import TYPE_CHECKING

import numpy as np

from preimage.errors import StoreError
from preimage.latents.schema import Codes

if TYPE_CHECKING:
    from preimage.latents.store import Store

COLUMNS = ("loss", "steps", "converged")
"""What a tally reads of codes."""
_HALF = 1 << 16
_IN_MEMORY = 32 << 20
"""Bytes of losses that wait in memory; more of them wait on this machine's disk."""
_CHUNK = 1 << 22
"""Bytes of losses that are looked at at a time."""


class Tally:
    """Counts codes as they stream. Images that diverged are counted; means and median skip them."""

    columns = COLUMNS

    def __init__(self) -> None:
        self.count, self.diverged, self.converged = 0, 0, 0
        self.lowest, self.highest = math.inf, -math.inf
        self._loss, self._steps = 0.0, 0
        self._upper = np.zeros(_HALF, np.int64)
        self._losses = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (as long as the tally)

    @classmethod
    def of(cls, store: "Store") -> "Tally":
        """Of a whole store. Raises StoreError if no search found its codes."""
        tally = cls()
        for codes in store.batches(COLUMNS):
            tally.add(codes)
        return tally

    def add(self, codes: Codes) -> None:
        """Add codes with these COLUMNS. Raises StoreError if there is no room for their losses."""
        loss = codes.loss[~codes.diverged]
        self.count += len(codes)
        self.diverged += len(codes) - len(loss)
        self.converged += int(codes.converged.sum())
        if not len(loss):
            return
        self.lowest, self.highest = min(self.lowest, loss.min().item()), max(self.highest, loss.max().item())
        self._loss += loss.double().sum().item()
        self._steps += int(codes.steps[~codes.diverged].sum())
        values = loss.cpu().numpy()
        self._upper += np.bincount(_ordered(values) >> 16, minlength=_HALF)
        try:
            self._losses.write(values.tobytes())
        except OSError as error:
            raise StoreError(
                f"cannot keep the losses of {self.count:,} images in {gettempdir()}: {error}. Make room "
                "there, or set TMPDIR to another folder"
            ) from error

    @property
    def counted(self) -> int:
        """Images that did not diverge."""
        return self.count - self.diverged

    @property
    def loss_mean(self) -> float:
        """NaN if every image diverged, like every mean and median here."""
        return self._loss / self.counted if self.counted else math.nan

    @property
    def steps_mean(self) -> float:
        return self._steps / self.counted if self.counted else math.nan

    @property
    def loss_median(self) -> float:
        """The lower median, as torch's."""
        if not self.counted:
            return math.nan
        rank, lower = (self.counted - 1) // 2, np.zeros(_HALF, np.int64)
        before = self._upper.cumsum()
        upper = int(before.searchsorted(rank, side="right"))
        for values in self._chunks():
            keys = _ordered(values)
            lower += np.bincount(keys[keys >> 16 == upper] & (_HALF - 1), minlength=_HALF)
        rest = int(lower.cumsum().searchsorted(rank - before[upper] + self._upper[upper], side="right"))
        return _number(upper << 16 | rest)

    def loss_histogram(self, bins: int) -> tuple[np.ndarray, np.ndarray]:
        """How many losses are in bins of equal width from the lowest to the highest: counts (bins,) int64 and
        edges (bins + 1,). Raises ValueError if every image diverged."""
        edges = np.histogram_bin_edges([], bins, (self.lowest, self.highest))
        counts = np.zeros(bins, np.int64)
        for values in self._chunks():
            counts += np.histogram(values, edges)[0]
        return counts, edges

    def _chunks(self) -> Iterator[np.ndarray]:
        """The losses (n,) float32 of the images that did not diverge."""
        self._losses.seek(0)
        while data := self._losses.read(_CHUNK):
            yield np.frombuffer(data, np.float32)
        self._losses.seek(0, io.SEEK_END)


def _ordered(values: np.ndarray) -> np.ndarray:
    """Integers (n,) int64 in the order of float32 numbers (n,)."""
    bits = values.view(np.uint32).astype(np.int64)
    return np.where(bits >> 31, 0xFFFFFFFF - bits, bits + (1 << 31))


def _number(key: int) -> float:
    """The float32 that `_ordered` made this of."""
    bits = key - (1 << 31) if key >> 31 else 0xFFFFFFFF - key
    return float(np.array(bits, np.uint32).view(np.float32))
