"""Figures of a study: the samples of its trials side by side, and its objectives against each other."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from PIL import Image

from preimage.figures.footer import without_footer
from preimage.figures.plots import figure_png, new_figure
from preimage.specs.search import BEST_VALUE, Direction

PANEL = 3.0
"""Width of a grid of samples in inches."""
BEST, FRONT, OTHER = "#1b7837", "#c25700", "#5b7f9f"
WIDE_RANGE = 8.0
"""An axis is logarithmic if its largest value is more than this many times its smallest."""


@dataclass(frozen=True)
class Panel:
    """One trial's grid of samples as a PNG, and the text above it."""

    title: str
    note: str
    samples: bytes | None
    """None if there is no grid."""


@dataclass(frozen=True)
class Axis:
    """An objective's name, its direction, and its values (n,) over trials."""

    name: str
    direction: Direction
    values: np.ndarray


@dataclass(frozen=True)
class Scatter:
    """Two objectives over the same trials."""

    x: Axis
    y: Axis
    numbers: Sequence[int]
    """The numbers of the trials."""
    best: int
    """The index in `numbers` of the trial that ranks first."""
    front: Sequence[bool]
    """Which trials no other beats in all objectives."""
    caption: str


def best_worst_png(pairs: Sequence[tuple[str, Panel, Panel]]) -> bytes:
    """Rows of two grids, the best and the worst by the row's label; flexible-priors, figure 4."""
    figure = new_figure(2 * PANEL * 1.25 + 0.5, (PANEL * 1.25 + 0.6) * len(pairs) + 0.3, dpi=150)
    grid = figure.subplots(len(pairs), 2, squeeze=False)
    for line, (label, best, worst) in zip(grid, pairs, strict=True):
        for axes, head, panel in zip(line, ("best", "worst"), (best, worst), strict=True):
            _show(axes, panel, size=9)
            axes.set_title(f"{head}: {panel.title}\n{panel.note}", fontsize=9, linespacing=1.3)
        line[0].set_ylabel(label, fontsize=11)
    return figure_png(figure)


def gallery_png(panels: Sequence[Panel], columns: int) -> bytes:
    """Every trial's samples, row by row, by rank."""
    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
    figure = new_figure(PANEL * columns, (PANEL + 0.6) * lines, dpi=150)
    places = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(places, panels, strict=False):
        _show(axes, panel, size=8)
        axes.set_title(f"{panel.title}\n{panel.note}", fontsize=8, linespacing=1.3)
    return figure_png(figure)


def _show(axes: Axes, panel: Panel, size: float) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if panel.samples is not None:
        picture = without_footer(Image.open(io.BytesIO(panel.samples)))
        axes.imshow(np.asarray(picture.convert("RGBA")), interpolation="nearest")
        return
    axes.set_facecolor("0.95")
    axes.set_box_aspect(1)
    axes.text(0.5, 0.5, "no samples", ha="center", va="center", color="0.4", fontsize=size)


def scatter_png(scatters: Sequence[Scatter]) -> bytes:
    """A panel for each pair of objectives: every trial by its number, the first in rank and the Pareto front
    marked, and the rank correlation above."""
    columns = min(len(scatters), 3)
    lines = -(-len(scatters) // columns)
    figure = new_figure(5.6 * columns, 4.8 * lines, dpi=140)
    places = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes in places[len(scatters) :]:
        axes.set_axis_off()
    for axes, each in zip(places, scatters, strict=False):
        _scatter(axes, each)
    figure.draw_without_rendering()  # fixes where every point is
    for axes, each in zip(places, scatters, strict=False):
        _number(axes, each)
    return figure_png(figure)


def _scatter(axes: Axes, each: Scatter) -> None:
    x, y = each.x.values, each.y.values
    for name, axis in (("x", each.x), ("y", each.y)):
        if _is_wide(axis.values):
            _logarithmic(axes, name, axis.values)
        else:
            getattr(axes, f"{name}axis").set_major_locator(MaxNLocator(6))
    colours = [FRONT if on else OTHER for on in each.front]
    colours[each.best] = BEST
    if sum(each.front) > 1:
        order = sorted(np.flatnonzero(each.front), key=lambda i: x[i])
        axes.plot(x[order], y[order], color=FRONT, linewidth=1, alpha=0.6, zorder=1)
    axes.scatter(x, y, s=52, c=colours, edgecolors="white", linewidths=0.7, zorder=2)
    axes.set_xlabel(_label(each.x))
    axes.set_ylabel(_label(each.y))
    axes.set_title(each.caption, fontsize=9)
    axes.margins(0.1)
    axes.spines[["top", "right"]].set_visible(False)
    _legend(axes, sum(each.front) > 1)


def _number(axes: Axes, each: Scatter) -> None:
    """Write each trial's number beside its point, where it covers no point and no other number."""
    points = axes.transData.transform(np.column_stack([each.x.values, each.y.values]))
    unit = axes.get_figure(root=True).dpi / 72  # pyright: ignore[reportOptionalMemberAccess]
    angles = np.deg2rad([45, 0, 135, 180, 315, 225, 90, 270])
    ways = [11 * size * np.array([np.cos(a), np.sin(a)]) for size in (1.0, 1.7, 2.4) for a in angles]
    taken = list(points)
    for number, point in zip(each.numbers, points, strict=True):
        room = [np.linalg.norm(np.array(taken) - (point + unit * way), axis=1).min() for way in ways]
        free = [way for way, space in zip(ways, room, strict=True) if space >= 10 * unit]
        way = free[0] if free else ways[int(np.argmax(room))]
        taken.append(point + unit * way)
        line = {"arrowstyle": "-", "color": "0.7", "linewidth": 0.6, "shrinkA": 4, "shrinkB": 3}
        axes.annotate(
            str(number),
            tuple(axes.transData.inverted().transform(point)),
            xytext=tuple(way),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            color="0.2",
            arrowprops=line if np.hypot(*way) > 12 else None,
        )


def _is_wide(values: np.ndarray) -> bool:
    return bool(values.min() > 0 and values.max() > WIDE_RANGE * values.min())


def _logarithmic(axes: Axes, name: str, values: np.ndarray) -> None:
    axes.set(**{f"{name}scale": "log"})
    ticks = getattr(axes, f"{name}axis")
    few = values.max() > 1000 * values.min()
    ticks.set_major_locator(LogLocator(subs=(1.0,) if few else (1.0, 2.0, 5.0)))
    ticks.set_major_formatter(StrMethodFormatter("{x:g}"))
    ticks.set_minor_formatter(NullFormatter())


def _label(axis: Axis) -> str:
    return f"{axis.name.replace('_', ' ')}, {BEST_VALUE[axis.direction]} is best"


def _legend(axes: Axes, front: bool) -> None:
    kinds = [("first in rank", BEST), *([("Pareto front", FRONT)] if front else []), ("other trials", OTHER)]
    for label, colour in kinds:
        axes.scatter([], [], s=45, c=colour, label=label)
    axes.legend(frameon=False, fontsize=8, loc="best")
