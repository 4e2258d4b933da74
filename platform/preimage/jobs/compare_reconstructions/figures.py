"""Figures of the GLO paper: reconstructions, their errors, and how codes use their dimensions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from preimage.data.pixels import to_uint8
from preimage.figures.grids import tiled
from preimage.figures.plots import figure_png, new_figure

SIDE, DPI = 128, 150


class Errors(NamedTuple):
    """Squared errors on one dataset, by method."""

    ours: Mapping[str, float]
    paper: Mapping[str, float]


def image_lines_png(lines: Sequence[tuple[str, Tensor]]) -> bytes:
    """Lines of images (n, C, H, W) in [-1, 1], each with its name on the left; glo, figure 1.

    Each image is magnified by a whole factor, to about SIDE pixels.
    """
    count, side = len(lines[0][1]), lines[0][1].shape[-1]
    parts = [tiled(to_uint8(images), count) for _, images in lines]
    picture = np.concatenate(parts)
    inch = max(1, round(SIDE / side)) / DPI  # of a pixel
    height, width = picture.shape[0] * inch, picture.shape[1] * inch
    margin = 0.25 + 0.09 * max(len(part) for name, _ in lines for part in name.split("\n"))
    figure = new_figure(margin + width, height, DPI)
    figure.set_layout_engine("none")
    axes = figure.add_axes((margin / (margin + width), 0, width / (margin + width), 1))
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for down, (name, _) in enumerate(lines):
        place = (margin - 0.1) / (margin + width), 1 - (down + 0.5) / len(lines)
        figure.text(*place, name, ha="right", va="center", fontsize=10)
    return figure_png(figure)


def explained_png(curves: Mapping[str, Tensor]) -> bytes:
    """The fraction of the codes' variance by the number of directions used; glo, figure 2.

    curves: for each method (d,), the fraction in its first k directions. Dotted: d equal directions.
    """
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    for name, shares in curves.items():
        axes.plot(np.arange(len(shares) + 1), [0, *shares.tolist()], label=name, linewidth=1.6)
    for i, dim in enumerate(sorted({len(shares) for shares in curves.values()})):
        label = None if i else "evenly spread"
        axes.plot([0, dim], [0, 1], ":", color="grey", linewidth=1, label=label, zorder=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel="singular vectors used", ylabel="representation explained")
    axes.set_title("How codes use their dimensions")
    axes.set_xlim(0, max(map(len, curves.values())))
    axes.set_ylim(0, 1.02)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return figure_png(figure)


def errors_png(mse: Mapping[str, float], lap1: Mapping[str, float], paper: Mapping[str, float]) -> bytes:
    """Both errors of each method, with the paper's squared error below it in grey; glo, table 1."""
    figure = new_figure(8.4, 0.5 * len(mse) + 1.1)
    left, right = figure.subplots(1, 2, sharey=True)
    rows = np.arange(len(mse))
    shown = {row: paper[name] for row, name in enumerate(mse) if name in paper}
    for axes, values, others in ((left, mse, shown), (right, lap1, {})):
        _bars(axes, rows - 0.12 * bool(shown), list(values.values()), 0.45, [f"C{row}" for row in rows])
        _bars(axes, np.array(list(others)) + 0.26, list(others.values()), 0.22, ["darkgrey"] * len(others))
        axes.set_xlim(0, 1.25 * max([*values.values(), *others.values()]))
        axes.spines[["top", "right"]].set_visible(False)
    left.set_yticks(rows, list(mse))
    left.invert_yaxis()  # and so the other's
    left.set_xlabel("mean squared error of a pixel" + (" (grey: the paper's)" if shown else ""))
    right.set_xlabel("Lap1, every level equal")
    return figure_png(figure)


def table_png(datasets: Mapping[str, Errors]) -> bytes:
    """One line of dots per dataset, on a logarithmic axis: each method's squared error, and below it the
    paper's as a ring; glo, table 1."""
    figure = new_figure(8.4, 0.6 * len(datasets) + 1.3)
    axes = figure.subplots()
    names = list(dict.fromkeys(name for errors in datasets.values() for name in errors.ours))
    for place, name in enumerate(names):
        for values, down, face in (
            ([each.ours for each in datasets.values()], 0, f"C{place}"),
            ([each.paper for each in datasets.values()], 0.25, "none"),
        ):
            dots = [(each[name], row + down) for row, each in enumerate(values) if name in each]
            if dots:
                axes.scatter(*zip(*dots, strict=True), edgecolors=f"C{place}", facecolors=face, zorder=2)
        axes.scatter([], [], color=f"C{place}", label=name)  # for the legend
    axes.set_xscale("log")
    axes.set_yticks(range(len(datasets)), list(datasets))
    axes.set_ylim(len(datasets) - 0.4, -0.5)
    axes.set_xlabel("mean squared error of a pixel (rings: the paper's)")
    axes.grid(axis="x", color="lightgrey", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure_png(figure)


def _bars(axes: Axes, places: np.ndarray, values: list[float], height: float, colours: list[str]) -> None:
    bars = axes.barh(places, values, height, color=colours)
    axes.bar_label(bars, [f"{value:.3g}" for value in values], padding=4, fontsize=8)
