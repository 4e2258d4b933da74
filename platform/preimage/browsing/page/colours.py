"""A column of the points as colours and their legend."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np
from bokeh.palettes import Viridis256

from preimage.browsing.page.html import number

CLASSES = (
    *("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7"),
    *("#a463f2", "#97bbf5", "#9c6b4e", "#9498a0", "#1b9e9e", "#b8c229"),
)
"""Told apart on light and dark paper."""
UNKNOWN = "#a9adb8"
PLAIN = "#4269d0"
LISTED = 24
"""Classes that a legend names at most."""
SHARE = 0.01
"""Of the values at either end that share the end's colour, so that a few outliers do not hide the others."""


@dataclass(frozen=True, eq=False)
class Colouring:
    """values: (n,) float32, NaN where unknown; palette from low to high; legend: HTML."""

    values: np.ndarray
    palette: tuple[str, ...]
    low: float
    high: float
    legend: str


def plain(count: int) -> Colouring:
    """All points alike."""
    return Colouring(np.zeros(count, np.float32), (PLAIN,), -1, 1, "")


def colouring(values: np.ndarray, order: tuple[str, ...] = ()) -> Colouring:
    """Classes in colours of their own, if they are few; numbers from dark to light.

    values: (n,) numbers, NaN where unknown, or texts, empty where unknown. order: of classes that are known.
    """
    if values.dtype.kind in "iub" and len(np.unique(values)) <= len(CLASSES):
        return _classes(values.astype(str), order)
    if values.dtype.kind in "iufb":
        return _numbers(values.astype(np.float32))
    return _classes(values.astype(str), order)


def _classes(values: np.ndarray, order: tuple[str, ...]) -> Colouring:
    found, places = np.unique(values, return_inverse=True)
    titles = sorted((each for each in found.tolist() if each), key=_rank(order))
    number_of = {title: float(place) for place, title in enumerate(titles)}
    shown = np.array([number_of.get(each, np.nan) for each in found.tolist()], np.float32)[places]
    palette = tuple(CLASSES[place % len(CLASSES)] for place in range(max(1, len(titles))))
    listed = list(zip(palette, titles, strict=False))
    if "" in found:
        listed.append((UNKNOWN, "unknown"))
    if len(listed) > LISTED:
        legend = f"{len(titles):,} classes; colours repeat"
    else:
        dots = (
            f'<span><i style="background:{colour}"></i>{escape(title)}</span>' for colour, title in listed
        )
        legend = "".join(dots)
    return Colouring(shown, palette, -0.5, len(palette) - 0.5, f'<div class="legend">{legend}</div>')


def _rank(order: tuple[str, ...]) -> Callable[[str], tuple[float, float, str]]:
    """Known classes in their own order, numbers by size, other texts by the alphabet."""

    def rank(title: str) -> tuple[float, float, str]:
        number = float(title) if title.lstrip("-").isdigit() else np.inf
        return order.index(title) if title in order else len(order), number, title

    return rank


def _numbers(values: np.ndarray) -> Colouring:
    known = values[np.isfinite(values)]
    low, high = (float(each) for each in np.quantile(known, (SHARE, 1 - SHARE))) if len(known) else (0.0, 1.0)
    if not high > low:
        low, high = low - 0.5, low + 0.5
    stops = ",".join(Viridis256[each] for each in range(0, 256, 15))
    unknown = f'<span><i style="background:{UNKNOWN}"></i>unknown</span>' if len(known) < len(values) else ""
    bar = f'<span class="bar" style="background:linear-gradient(to right,{stops})"></span>'
    legend = f'<div class="legend">{number(low)} {bar} {number(high)} {unknown}</div>'
    return Colouring(np.where(np.isfinite(values), values, np.nan), tuple(Viridis256), low, high, legend)
