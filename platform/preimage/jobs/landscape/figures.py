"""Cost landscapes with descents on them, and recovery by a net's channels."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib import colormaps
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


@dataclass(frozen=True)
class Cell:
    """What the sweep found for one pair of channels."""

    first: int
    second: int
    ratios: tuple[float, ...]
    """Each layer's expansivity, as theorem 1 counts it."""
    shares: dict[str, float]


def landscape_png(landscapes: list[Landscape], code: tuple[float, float], window: float) -> bytes:
    """Surfaces of J, above maps of it with the descents (partial-measurements, figure 4).

    code: z*, in the middle; window: how far from it the landscape reaches. Surface and map show the square
    root of J, which grows about evenly with the distance from a minimum.
    """
    figure = new_figure(3.3 * len(landscapes), 6.6)
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


def expansivity_png(cells: list[Cell], latent_dim: int) -> bytes:
    """The fraction of codes recovered, by both layers' channels and by the last layer's expansivity."""
    figure = new_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    rows = [list(row) for _, row in groupby(cells, key=lambda cell: cell.first)]
    _squares(left, rows, latent_dim)
    for row, colour in zip(rows, _colours(len(rows)), strict=True):
        ratios = [cell.ratios[1] for cell in row]
        label = f"C₁ = {row[0].first}: {row[0].ratios[0]:.2g}"
        right.plot(ratios, _shares(row, "recovered_negative"), "o-", markersize=4, color=colour, label=label)
        right.plot(ratios, _shares(row, "recovered"), ":", color=colour)
    right.axvline(1, color="grey", linewidth=0.8)
    right.set(xscale="log", xlabel="expansivity of the second layer, C₂ℓ / (C₁ log C₁)")
    right.set(ylabel="fraction of codes recovered", ylim=(-0.03, 1.03))
    right.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, title="expansivity of the first layer\n(dotted: without −ẑ)", fontsize=9)
    return figure_png(figure)


def _squares(axes: Axes, rows: list[list[Cell]], latent_dim: int) -> None:
    """Shares by channels. Each square prints its own, in bold where both expansivities reach 1."""
    shares = np.array([_shares(row, "recovered_negative") for row in rows]).T
    axes.imshow(shares, origin="lower", cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            bold = "bold" if min(cell.ratios) >= 1 else "normal"
            share, colour = shares[j, i], "white" if shares[j, i] < 0.6 else "black"
            axes.text(i, j, f"{share:.2f}", ha="center", va="center", color=colour, weight=bold)
    axes.set_xticks(range(len(rows)), [f"{row[0].first}\n{row[0].ratios[0]:.2g}" for row in rows])
    axes.set_yticks(range(len(rows[0])), [str(cell.second) for cell in rows[0]])
    axes.set(xlabel="channels of the first layer, C₁, and its expansivity C₁ℓ / (C₀ log C₀)")
    axes.set(ylabel="channels of the second layer, C₂")
    axes.set_title(f"Codes of {latent_dim} components recovered (bold: both expansivities ≥ 1)", fontsize=10)


def _shares(row: list[Cell], name: str) -> list[float]:
    return [cell.shares[name] for cell in row]


def _colours(count: int) -> list[tuple[float, ...]]:
    return [tuple(colormaps["viridis"](i / max(1, count))) for i in range(count)]
