"""Cost landscapes with descents on them."""

from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes

from preimage.figures.plots import figure_png, new_figure

REACHED, ELSEWHERE = "tab:blue", "tab:red"
"""Where a descent ends."""


@dataclass(frozen=True)
class Landscape:
    """A net's cost over a window of codes, and descents on it."""

    title: str
    cost: np.ndarray
    """J (side, side) on a lattice around z*, rows by the second component."""
    paths: np.ndarray
    """(descents, steps, 2)."""
    reached: np.ndarray
    """(descents,) bool: whether the descent reached z*."""
    same_image: np.ndarray
    """(descents,) bool: whether its end has the image of z*, whatever its code."""


def landscape_png(landscapes: list[Landscape], code: tuple[float, float], window: float, drawn: str) -> bytes:
    """Surfaces of J, above maps of it with the descents (partial-measurements, figure 4).

    code: z*, in the middle; window: how far from it the landscape reaches; drawn: what all of it is, in
    words. Surface and map show the square root of J, which grows about evenly with the distance from a
    minimum.
    """
    figure = new_figure(3.3 * len(landscapes), 6.6)
    figure.suptitle(fill(drawn, 150), fontsize=10)
    x, y = (np.linspace(middle - window, middle + window, len(landscapes[0].cost)) for middle in code)
    for column, landscape in enumerate(landscapes, 1):
        height = np.sqrt(landscape.cost / landscape.cost.max())
        surface = figure.add_subplot(2, len(landscapes), column, projection="3d")
        surface.plot_surface(*np.meshgrid(x, y), height, cmap="viridis", rcount=70, ccount=70, linewidth=0)
        surface.set(title=landscape.title, xticks=[], yticks=[], zticks=[])
        surface.view_init(elev=38, azim=-60)
        axes = figure.add_subplot(2, len(landscapes), len(landscapes) + column)
        _map(axes, landscape, height, x, y)
        axes.plot(*code, "*", markersize=13, color="white", markeredgecolor="black")
        axes.set(xlim=x[[0, -1]], ylim=y[[0, -1]], aspect="equal", xlabel="first component of z")
        axes.set_ylabel("second component" if column == 1 else "")
    return figure_png(figure)


def _map(axes: Axes, landscape: Landscape, height: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    axes.contourf(x, y, height, levels=24, cmap="viridis")
    for path, reached in zip(landscape.paths, landscape.reached, strict=True):
        axes.plot(*path.T, color="white", linewidth=0.6, alpha=0.75)
        axes.plot(*path[-1], "o", markersize=3.5, color=REACHED if reached else ELSEWHERE)
    title = f"{landscape.reached.sum()} of {len(landscape.reached)} descents reach z*"
    others = (landscape.same_image & ~landscape.reached).sum()
    axes.set_title(title + (f",\n{others} another code of its image" if others else ""), fontsize=10)
