"""The points of a map, with what they can be coloured and sorted by."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from preimage.browsing.columns import Columns
from preimage.browsing.maps import Map, Method, map_of
from preimage.browsing.projection import Progress, silent
from preimage.browsing.subject import Subject
from preimage.random_streams import place_of


@dataclass(frozen=True, eq=False)
class Points:
    """A point for each code, in the store's order; each id once."""

    ids: np.ndarray
    """(n,) int64: image_ids."""
    xy: np.ndarray
    """(n, 2) float32."""
    columns: Mapping[str, np.ndarray]
    """(n,) each, numbers (NaN where unknown) or texts, computed when they are first asked for: see
    `Columns`."""
    names: list[str] | None
    """Of the images in their source, if they are known."""
    method: Method
    notes: tuple[str, ...] = ()
    """Sentences: what was sampled, and what could not be kept."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """x0, x1, y0, y1 of all points; a square of side 1 around none."""
        if not len(self):
            return -0.5, 0.5, -0.5, 0.5
        (x0, y0), (x1, y1) = self.xy.min(0).tolist(), self.xy.max(0).tolist()
        return x0, x1, y0, y1

    @cached_property
    def priority(self) -> np.ndarray:
        """(n,) float64: which points are shown first where not all are; the same however one zooms."""
        return place_of(torch.from_numpy(self.ids)).numpy()


def points_of(subject: Subject, method: Method, progress: Progress = silent) -> Points:
    """The points of a subject's codes. Reads the map that is kept beside the store, or makes it."""
    return points_on(subject, map_of(subject, method, progress), method)


def points_on(subject: Subject, found: Map, method: Method) -> Points:
    """The points of a map."""
    columns = Columns(subject, found.ids)
    names = subject.pixels.names(found.ids) if subject.pixels else None
    return Points(found.ids, found.xy, columns, names, method, found.notes)


def in_window(points: Points, x0: float, x1: float, y0: float, y1: float, most: int) -> np.ndarray:
    """The places (m,) of the points in a window, its edges included: at most `most`, a sample that stays the
    same as one zooms in and only gains points."""
    x, y = points.xy.T
    inside = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
    if len(inside) <= most:
        return inside
    first = np.argpartition(points.priority[inside], most)[:most]
    return inside[np.sort(first)]


def density(points: Points, x0: float, x1: float, y0: float, y1: float, bins: int = 512) -> np.ndarray:
    """How many points are in each cell of a window: (bins, bins) int32, rows from y0 up. Its edges belong to
    the outermost cells."""
    x, y = points.xy.T
    inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    columns, rows = _cells(x[inside], x0, x1, bins), _cells(y[inside], y0, y1, bins)
    counts = np.bincount(rows * bins + columns, minlength=bins * bins)
    return counts.reshape(bins, bins).astype(np.int32)


def _cells(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    scaled = (values.astype(np.float64) - low) * (bins / (high - low or 1))
    return scaled.astype(np.int64).clip(0, bins - 1)


def is_known(values: np.ndarray) -> np.ndarray:
    """(n,) bool: which values of a column are neither NaN nor an empty text."""
    return values != "" if values.dtype.kind == "O" else np.isfinite(values)


def ordered(points: Points, column: str, descending: bool = True) -> np.ndarray:
    """The places (n,) of all points, sorted by a column; those without a value come last, equal ones in the
    map's order."""
    values = points.columns[column]
    unknown = ~is_known(values)
    if values.dtype.kind == "O":
        values = np.unique(values.astype(str), return_inverse=True)[1].astype(np.float64)
        values[unknown] = np.nan
    keys = -values.astype(np.float64) if descending else values.astype(np.float64)
    return np.argsort(keys, kind="stable")  # NaN last
