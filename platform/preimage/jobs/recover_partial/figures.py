"""Figures of partial-measurements: completed images, the phase transition, and the weights' distribution."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import NullFormatter, PercentFormatter
from torch import Tensor

from preimage.figures.plots import figure_png, image_rows_png, new_figure
from preimage.metrics.normality import Normality

DRAWN = {"random": (2.2, "black"), "gaussian": (2.2, "tab:purple")}
"""Width and colour of the lines that stand out."""
ROWS = ("ground truth", "measured", "completed")


class Completion(NamedTuple):
    """Images (n, C, H, W) in [-1, 1]: as they are, as measured (`Measurement.shown`), as reconstructed."""

    truth: Tensor
    measured: Tensor
    completed: Tensor


def completions_png(columns: Mapping[str, Completion]) -> bytes:
    """A column for each measurement, headed by its name; partial-measurements, figures 5 and 6."""
    return image_rows_png({name: dict(zip(ROWS, each, strict=True)) for name, each in columns.items()})


def transition_png(curves: Mapping[str, Mapping[float, float]], count: int, least: float) -> bytes:
    """The fraction of `count` codes recovered by the fraction of the image seen, for `gaussian` measurements
    over the image's numbers: a line a way of sampling. least: the fraction that is as many numbers as a code
    has components, below which none is determined."""
    figure = new_figure(6.4, 4)
    axes = figure.subplots()
    for name, points in curves.items():
        width, colour = DRAWN.get(name, (1.2, None))
        axes.plot(
            list(points),
            list(points.values()),
            "o-",
            markersize=3.5,
            label=name,
            linewidth=width,
            color=colour,
        )
    axes.axvline(least, color="grey", linestyle=":", label="as many as a code has components")
    axes.set_xscale("log")
    axes.set_xticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(-0.03, 1.03)
    axes.set(xlabel="numbers observed, as a share of the image's", ylabel=f"codes recovered (of {count:,})")
    axes.set_title("Recovery by sampling rate")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure_png(figure)


def weights_png(weights: Mapping[str, Tensor], fits: Mapping[str, Normality]) -> bytes:
    """The density of each layer's weights, and the normal distribution fitted to them (figure 3)."""
    figure = new_figure(2.9 * len(weights), 2.9)
    row = figure.subplots(1, len(weights), squeeze=False)[0]
    for axes, (layer, fit) in zip(row, fits.items(), strict=True):
        ends = fit.mean - 4.5 * fit.std, fit.mean + 4.5 * fit.std
        axes.hist(
            weights[layer].flatten().numpy(),
            bins=min(80, round(fit.count**0.5)),
            range=ends,
            density=True,
            color="tab:blue",
        )
        place = np.linspace(*ends, 200)
        normal = np.exp(-0.5 * ((place - fit.mean) / fit.std) ** 2) / (fit.std * np.sqrt(2 * np.pi))
        axes.plot(place, normal, color="black", linewidth=1.2)
        shape = f"KS {fit.ks:.3f}, excess kurtosis {fit.excess_kurtosis:.2f}"
        axes.set_title(f"{layer}: {fit.count:,} weights\n{shape}", fontsize=8)
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    return figure_png(figure)
