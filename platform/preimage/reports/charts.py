"""Curves as charts: which ones share axes, and where each point is drawn. They need no script to be seen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from preimage.readable import number
from preimage.reports.downsample import Point, downsample
from preimage.reports.scale import Axis, short

POINTS = 600
"""Most points of a curve."""
TOGETHER = 8
"""Most curves of a chart."""
CHARTS = 24
"""Most charts of a run."""
WIDTH, HEIGHT = 640, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 40
LOGARITHMIC = 50
"""Values that lie further apart than by this factor are first shown on a logarithmic scale."""
SHARED = {
    "probability": "probability",
    "loss": "loss",
    "learning_rate": "learning rate",
    "lr": "learning rate",
}
"""Metrics whose names end so share a chart, whose title this is."""


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """A chart on a linear or a logarithmic scale."""

    name: str
    ticks: tuple[Tick, ...]
    lines: tuple[str, ...]
    """Of each curve, the points of an SVG polyline."""
    low: float
    high: float
    """What is at the bottom and at the top; of logarithms, those."""


@dataclass(frozen=True)
class Chart:
    """Some curves on the same axes."""

    title: str
    along: str
    """What is along the horizontal axis."""
    names: tuple[str, ...]
    curves: tuple[tuple[Point, ...], ...]
    x_ticks: tuple[Tick, ...]
    x_range: tuple[float, float]
    scales: tuple[Scale, ...]
    first: str
    """The scale that is shown first."""
    is_dotted: bool = False
    """Whether its points are apart from each other, and not joined."""
    notes: tuple[str, ...] = field(default=())

    box = (LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
    size = (WIDTH, HEIGHT)

    @property
    def data(self) -> dict[str, Any]:
        """What the script needs for a crosshair."""
        return {
            "box": self.box,
            "x": self.x_range,
            "scales": {each.name: [each.low, each.high] for each in self.scales},
            "curves": [{"name": n, "points": c} for n, c in zip(self.names, self.curves, strict=True)],
        }

    @property
    def dots(self) -> Iterator[tuple[str, int, float, float]]:
        """(scale, number of the curve, x, y) of what is drawn as a point: single ones, or all."""
        for scale in self.scales:
            for place, line in enumerate(scale.lines):
                points = line.split()
                if self.is_dotted or len(points) == 1:
                    for each in points:
                        x, y = each.split(",")
                        yield scale.name, place, float(x), float(y)


def charts(
    curves: Mapping[str, Sequence[Point]],
    along: str = "images seen",
    is_dotted: bool = False,
    title: str = "",
) -> tuple[list[Chart], list[str]]:
    """Charts of a run's curves, and a sentence about each thing that is not drawn. title: of
    all curves together; by default those that belong together share a chart."""
    finite = {name: [each for each in curve if isfinite(each[1])] for name, curve in curves.items()}
    lost = {name: len(curve) - len(finite[name]) for name, curve in curves.items()}
    same = (
        {} if is_dotted else {name: each for name, each in finite.items() if len({y for _, y in each}) == 1}
    )
    drawn = {name: curve for name, curve in finite.items() if curve and name not in same}
    notes = [
        f"{name}: {count:,} values are not finite and not drawn." for name, count in lost.items() if count
    ]
    notes += [_said(name, each, along) for name, each in same.items()]
    if title:
        groups = [(title, list(drawn))] if drawn else []
    else:
        groups = list(_groups(drawn, {} if is_dotted else SHARED))
    if left := groups[CHARTS:]:
        names = [name for _, group in left for name in group]
        notes.append(
            f"{len(names)} more curves are not drawn: {', '.join(names[:10])}; log/ has all of them."
        )
    made = [_chart(title, {n: drawn[n] for n in names}, along, is_dotted) for title, names in groups[:CHARTS]]
    return made, notes


def _said(name: str, curve: Sequence[Point], along: str) -> str:
    """What a curve of a single value says, in words."""
    where = "throughout" if len(curve) > 1 else f"at {number(curve[0][0])} {along}, recorded once"
    return f"{name.replace('_', ' ')}: {number(curve[0][1])} {where}."


def _groups(names: Iterable[str], shared_by: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Titles, and the names that share a chart. shared_by: the titles by what names end in."""
    found: dict[str, list[str]] = {}
    for name in names:
        shared = next((shared_by[end] for end in shared_by if name == end or name.endswith(f"_{end}")), None)
        found.setdefault(shared or name.replace("_", " "), []).append(name)
    for title, group in found.items():
        for first in range(0, len(group), TOGETHER):
            part = group[first : first + TOGETHER]
            yield (part[0].replace("_", " ") if len(group) == 1 else title), part


def _chart(title: str, curves: Mapping[str, Sequence[Point]], along: str, is_dotted: bool) -> Chart:
    kept = {name: tuple(downsample(curve, POINTS)) for name, curve in curves.items()}
    xs = [x for curve in kept.values() for x, _ in curve]
    ys = [y for curve in kept.values() for _, y in curve]
    across = Axis.over(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    across = across.with_room(below_0=True) if is_dotted else across
    kinds = [False, True] if min(ys) > 0 and max(ys) > min(ys) else [False]
    scales = tuple(_scale(is_log, list(kept.values()), across, min(ys), max(ys)) for is_log in kinds)
    thinned = [name for name in curves if len(kept[name]) < len(curves[name])]
    wide = len(kinds) == 2 and max(ys) / min(ys) > LOGARITHMIC
    return Chart(
        title=title,
        along=along,
        names=tuple(kept),
        curves=tuple(kept.values()),
        x_ticks=tuple(Tick(across.place(each), short(each)) for each in across.ticks),
        x_range=(across.low, across.high),
        scales=scales,
        first="log" if wide else "linear",
        is_dotted=is_dotted,
        notes=tuple(f"{name}: {len(kept[name])} of {len(curves[name]):,} points" for name in thinned),
    )


def _scale(is_log: bool, curves: Sequence[Sequence[Point]], across: Axis, low: float, high: float) -> Scale:
    axis = Axis.over(low, high, HEIGHT - BOTTOM, TOP, is_log).with_room()
    lines = (" ".join(f"{across.place(x):.1f},{axis.place(y):.1f}" for x, y in curve) for curve in curves)
    ticks = tuple(Tick(axis.place(each), short(each)) for each in axis.ticks)
    return Scale("log" if is_log else "linear", ticks, tuple(lines), axis.low, axis.high)
