"""Priors beside held-out codes, which none of them was fitted to."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from preimage.figures.plots import figure_png, new_figure

CODES, DRAWN = "tab:blue", "tab:orange"


def distances_png(bars: Mapping[str, tuple[float, float]], floor: tuple[float, float]) -> bytes:
    """The energy distance of each prior's draws from held-out codes, and of as many training codes: mean and
    standard deviation over repeated draws."""
    figure = new_figure(6.4, 0.45 * len(bars) + 1.4)
    axes = figure.subplots()
    names = list(bars)[::-1]
    means, spreads = zip(*(bars[name] for name in names), strict=True)
    axes.barh(names, means, xerr=spreads, color=CODES, capsize=3)
    mean, spread = floor
    axes.axvline(mean, color="black", linestyle="--", linewidth=1, label="training codes")
    axes.axvspan(mean - spread, mean + spread, color="black", alpha=0.12, linewidth=0)
    axes.set(xlabel="energy distance from held-out codes")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure_png(figure)


def codes_png(codes: Tensor, drawn: Mapping[str, Tensor]) -> bytes:
    """Held-out codes (n, d), then each prior's draws (n, d): in the plane in which the held-out ones vary
    most, somewhat beyond the last of them."""
    mean = codes.mean(0)
    plane = torch.linalg.svd(codes - mean, full_matrices=False)[2][:2]
    plane = pad(plane, (0, 0, 0, 2 - len(plane)))  # codes of one component have a line only
    sets = {"held-out codes": codes, **drawn}
    flat = {name: ((z - mean) @ plane.T).numpy() for name, z in sets.items()}
    reach = 1.4 * np.abs(flat["held-out codes"]).max()
    columns = min(4, len(sets))
    figure = new_figure(2.5 * columns, 2.7 * -(-len(sets) // columns))
    grid = list(figure.subplots(-(-len(sets) // columns), columns, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for (name, points), axes in zip(flat.items(), grid, strict=False):
        axes.set_axis_on()
        first = name == "held-out codes"
        axes.scatter(*points.T, s=6, color=CODES if first else DRAWN, alpha=0.5, linewidth=0)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        axes.set_title(name, fontsize=10)
    return figure_png(figure)
