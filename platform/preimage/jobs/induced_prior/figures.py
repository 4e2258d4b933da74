"""A generator before and after it learned with a prior of its own codes (flexible-priors, figure 5)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from preimage.data.pixels import to_uint8
from preimage.figures.grids import tiled
from preimage.figures.plots import figure_png, new_figure


class StagePanel(NamedTuple):
    """What is shown of one stage."""

    title: str
    samples: Tensor
    """(n, C, H, W) in [-1, 1]."""
    singular_values: np.ndarray
    """(d,) of its codes, over sqrt(N)."""
    name: str
    own_codes: bool
    """Whether its codes are its own, so that their spectrum is drawn; else another stage's."""


def induced_png(panels: Sequence[StagePanel]) -> bytes:
    """Samples of each stage beside each other, and below them the spectra of their codes."""
    figure = new_figure(3.2 * len(panels), 6.8, dpi=130)
    above, below = np.array(figure.subfigures(2, 1, height_ratios=[4.1, 2.7]))
    for axes, panel in zip(above.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        picture = tiled(to_uint8(panel.samples), 8)
        axes.imshow(picture, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(panel.title, fontsize=10)
    axes = below.subplots()
    for panel in (panel for panel in panels if panel.own_codes):
        order = np.arange(1, len(panel.singular_values) + 1)
        axes.plot(order, panel.singular_values, "o-", markersize=3, label=panel.name)
    axes.axhline(1, linestyle="--", color="grey", label="N(0, I)")
    axes.set(xlabel="component", ylabel="singular value / √N")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=2)
    return figure_png(figure)
