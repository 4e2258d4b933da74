"""Losses, steps and flags of a store as running sums: exact, in memory that does not grow with the store.

The median of float32 numbers is found in two passes: their bits, read as integers, have the same order. The
first pass counts the upper 16 bits, the second the lower 16 bits of those where the median must be.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from preimage.latents.schema import Codes

if TYPE_CHECKING:
    from preimage.latents.store import Store

COLUMNS = ("loss", "steps", "converged")
"""What a tally reads of codes."""
_HALF = 1 << 16


class Tally:
    """Counts codes as they stream. Images that diverged are counted; means and median skip them."""

    def __init__(self) -> None:
        self.count, self.diverged, self.converged = 0, 0, 0
        self.lowest, self.highest = math.inf, -math.inf
        self._loss, self._steps = 0.0, 0
        self._upper = np.zeros(_HALF, np.int64)

    @classmethod
    def of(cls, store: "Store") -> "Tally":
        """Of a whole store, in one pass."""
        tally = cls()
        for codes in store.batches(COLUMNS):
            tally.add(codes)
        return tally

    def add(self, codes: Codes) -> None:
        """Add codes with these COLUMNS."""
        loss = codes.loss[~codes.diverged]
        self.count += len(codes)
        self.diverged += len(codes) - len(loss)
        self.converged += int(codes.converged.sum())
        if not len(loss):
            return
        self.lowest, self.highest = min(self.lowest, loss.min().item()), max(self.highest, loss.max().item())
        self._loss += loss.double().sum().item()
        self._steps += int(codes.steps[~codes.diverged].sum())
        self._upper += np.bincount(_ordered(loss) >> 16, minlength=_HALF)

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

    def loss_median(self, again: Iterable[Codes]) -> float:
        """The lower median, as torch's, of the same codes read again."""
        if not self.counted:
            return math.nan
        rank, lower = (self.counted - 1) // 2, np.zeros(_HALF, np.int64)
        before = self._upper.cumsum()
        upper = int(before.searchsorted(rank, side="right"))
        for codes in again:
            keys = _ordered(codes.loss[~codes.diverged])
            lower += np.bincount(keys[keys >> 16 == upper] & (_HALF - 1), minlength=_HALF)
        rest = int(lower.cumsum().searchsorted(rank - before[upper] + self._upper[upper], side="right"))
        return _number(upper << 16 | rest)

    def loss_histogram(self, again: Iterable[Codes], bins: int) -> tuple[np.ndarray, np.ndarray]:
        """How many losses of the same codes, read again, are in bins of equal width from the lowest to the
        highest: counts (bins,) int64 and edges (bins + 1,). Raises ValueError if every image diverged."""
        edges = np.histogram_bin_edges([], bins, (self.lowest, self.highest))
        counts = np.zeros(bins, np.int64)
        for codes in again:
            counts += np.histogram(codes.loss[~codes.diverged].cpu().numpy(), edges)[0]
        return counts, edges


def _ordered(values: Tensor) -> np.ndarray:
    """Integers (n,) int64 in the order of float32 numbers (n,)."""
    bits = values.cpu().numpy().view(np.uint32).astype(np.int64)
    return np.where(bits >> 31, 0xFFFFFFFF - bits, bits + (1 << 31))


def _number(key: int) -> float:
    """The float32 that `_ordered` made this of."""
    bits = key - (1 << 31) if key >> 31 else 0xFFFFFFFF - key
    return float(np.array(bits, np.uint32).view(np.float32))
