"""Principal components, as images and as fractions of the variance."""

import torch
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from preimage.figures.grids import grid_png
from preimage.figures.plots import figure_png, new_figure


def components_png(mean: Tensor, components: Tensor) -> bytes:
    """The mean image (C, H, W), then components (n, C, H, W), eight in a row.

    Each component is brought to the range of an image by itself: grey is 0, and its sign means nothing.
    """
    scaled = components / components.abs().amax((1, 2, 3), keepdim=True)
    return grid_png(torch.cat([mean[None], scaled]), columns=8)


def explained_png(shares: Tensor) -> bytes:
    """The fraction of the variance that the first components explain: `shares` (d,), by their number."""
    figure = new_figure(6, 4)
    axes = figure.subplots()
    axes.plot(range(1, len(shares) + 1), shares.numpy(), "o-", markersize=3)
    axes.annotate(
        f"{shares[-1]:.1%}",
        (len(shares), shares[-1]),
        xytext=(0, -14),
        textcoords="offset points",
        ha="right",
    )
    axes.set(xlabel="components", ylabel="fraction of the variance explained", title="Principal components")
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure_png(figure)
