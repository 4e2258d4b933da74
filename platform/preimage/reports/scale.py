"""Axes: where values lie on a page, and which of them are written beside it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor, log10

TICKS = 5
"""Values that are written beside an axis, about."""
ROOM = 0.06
"""The share of an axis that is left empty at either end."""


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, of values or of their logarithms, drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    @classmethod
    def over(cls, low: float, high: float, start: float, end: float, is_log: bool = False) -> "Axis":
        """One that shows all values between two; both must be above 0 if it is logarithmic."""
        low, high = (log10(low), log10(high)) if is_log else (low, high)
        if high - low <= abs(high) * 1e-9:  # all alike: then they are in the middle
            apart = abs(high) / 2 or 0.5
            low, high = low - apart, high + apart
        return cls(low, high, start, end, is_log)

    def with_room(self, below_0: bool = False) -> "Axis":
        """The same with some room at both ends. below_0: also there, if no value is."""
        room = (self.high - self.low) * ROOM
        low = self.low - room
        stays = not (below_0 or self.is_log or self.low < 0)
        return replace(self, low=max(0.0, low) if stays else low, high=self.high + room)

    def place(self, value: float) -> float:
        """Where a value is drawn."""
        share = ((log10(value) if self.is_log else value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round values along it."""
        if self.is_log and (found := self._powers()):
            return found
        low, high = (10**self.low, 10**self.high) if self.is_log else (self.low, self.high)
        step = _round_step((high - low) / TICKS)
        return [number * step for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]

    def _powers(self) -> list[float]:
        """Powers of ten, and between few of them their halves; none if these are fewer than two."""
        first, last = ceil(self.low), floor(self.high)
        every = max(1, ceil((last - first + 1) / (TICKS + 1)))
        powers = [10.0**number for number in range(first, last + 1, every)]
        if self.high - self.low > 2.5:
            return powers
        between = [m * 10.0**number for number in range(first - 1, last + 1) for m in (1, 2, 5)]
        found = [each for each in between if self.low <= log10(each) <= self.high]
        return found if len(found) > 1 else []


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, at least so large."""
    power = 10.0 ** floor(log10(least))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= least * (1 - 1e-9))


Text = Callable[[float], str]


def short(value: float) -> str:
    """A value beside an axis: `0.05`, `20k`, `1.5M`, `1e-07`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1e3 * size and abs(value) >= 1e4:
            return f"{value / size:.4g}{letter}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:.4g}"
