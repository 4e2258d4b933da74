"""A fitted prior beside the codes that it is fitted to, and the iterations that fit a mixture."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from preimage.figures.plots import figure_png, new_figure

PANELS = 6
"""Components in the figure of marginals."""
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


def iterations_png(likelihoods: Sequence[float]) -> bytes:
    """The mean log-likelihood of a code before each iteration, from the first on."""
    figure = new_figure(6, 4)
    axes = figure.subplots()
    axes.plot(range(1, len(likelihoods) + 1), likelihoods, "o-", markersize=3)
    axes.set(xlabel="iteration", ylabel="mean log-likelihood of a code (nats)")
    axes.set_title("Fitting the mixture")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    return figure_png(figure)
