"""A fitted prior beside the codes that it is fitted to, and the course of its fit."""

import numpy as np
import torch
from torch import Tensor

from preimage.figures.plots import figure_png, new_figure

PANELS = 6
"""Components in the figure of marginals."""
Curves = dict[str, list[tuple[int, float]]]
"""Points (codes seen, value) of each metric."""
CODES, DRAWN = "tab:blue", "tab:orange"


def marginals_png(codes: Tensor, drawn: Tensor, name: str) -> bytes:
    """The first components of codes (n, d) as histograms, and those of a prior's draws (m, d) over them."""
    count = min(PANELS, codes.shape[1])
    figure = new_figure(2.4 * min(3, count) + 0.4, 2.0 * -(-count // 3) + 0.5)
    grid = list(figure.subplots(-(-count // 3), min(3, count), squeeze=False).flat)
    for i, axes in enumerate(grid):
        if i >= count:
            axes.set_axis_off()
            continue
        bins = np.histogram_bin_edges(torch.cat([codes[:, i], drawn[:, i]]).numpy(), 40).tolist()
        axes.hist(codes[:, i].numpy(), bins, density=True, color=CODES, alpha=0.5, label="codes")
        axes.hist(
            drawn[:, i].numpy(), bins, density=True, histtype="step", color=DRAWN, linewidth=1.6, label=name
        )
        axes.set(xlabel=f"component {i + 1}", yticks=[])
        axes.spines[["top", "right", "left"]].set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    return figure_png(figure)


def curves_png(curves: Curves, name: str) -> bytes:
    """What the fit of a prior recorded, over the codes it had seen: a panel for each metric."""
    figure = new_figure(6, 3 * len(curves) + 1)
    grid = list(figure.subplots(len(curves), squeeze=False, sharex=True).flat)
    for axes, (metric, points) in zip(grid, curves.items(), strict=True):
        axes.plot(*zip(*points, strict=True), "o-" if len(points) < 100 else "-", markersize=3)
        axes.set_ylabel(metric.replace("_", " "))
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_title(f"Fitting the {name}")
    grid[-1].set_xlabel("codes seen")
    return figure_png(figure)
