"""Maps of the half-plane around a code: how steeply the cost descends there, whereto, and what it ends in."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.patches import Circle

from preimage.figures.plots import figure_png, new_figure
from preimage.jobs.invertibility.directions import Directed
from preimage.metrics.descent_directions import negative_multiple, polar_lattice

STEEPEST = 1.0
"""The top of the colour scale: the slope of a round bowl."""
ENDS = 300
"""Ends of descents that a map shows at most."""


def directions_png(found: list[Directed]) -> bytes:
    """A map for each kind of net: columns by channels, rows by the fraction that is seen."""
    rates = list(dict.fromkeys(each.net.rate for each in found))
    rows = [[each for each in found if each.net.rate == rate] for rate in rates]
    figure = new_figure(3.5 * len(rows[0]) + 0.6, 2.15 * len(rows) + 0.9)
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    mesh = None
    for down, row in enumerate(rows):
        for axes, each in zip(grid[down], row, strict=True):
            mesh = _map(axes, each)
            axes.set_xlabel("along z*, in |z*|" if down == len(rows) - 1 else "")
        seen = "all pixels seen" if rates[down] == 1 else f"{rates[down]:.0%} of the pixels seen"
        grid[down, 0].set_ylabel(f"{seen}\nacross")
    assert mesh is not None  # a config has channels and rates
    label = "lowest slope\n|∇J| |z − z*| / 2J"
    figure.colorbar(mesh, ax=grid, label=label, extend="max", shrink=0.8, pad=0.01)
    first = found[0].config
    figure.suptitle(
        "Descent of J from codes z around z* (star), by place. Colour: the lowest slope of "
        f"{first.networks * first.codes} (networks x codes); 0: stationary. Arrows: mean direction.\n"
        f"Dashed: theorem 1's balls around z* and −z*/π, ε = {first.epsilon:g}. "
        "Red: where descents end outside of them, stuck.",
        fontsize=10,
    )
    return figure_png(figure)


def _map(axes: Axes, found: Directed) -> QuadMesh:
    radii, angles = polar_lattice(found.config.reach, found.config.radii, found.config.angles)
    x, y = (radii[:, None] * each for each in (angles.cos(), angles.sin()))
    at_code = torch.hypot(x - 1, y) < 1e-9  # where there is no slope
    lowest = found.results["slope"].amin((0, 1)).masked_fill(at_code, torch.nan).numpy()
    mesh = axes.pcolormesh(
        *_corners(radii.numpy(), angles.numpy()), lowest, cmap="viridis", vmin=0, vmax=STEEPEST
    )
    arrows = found.results["arrow"].mean((0, 1))
    axes.quiver(x, y, *arrows.permute(2, 0, 1), color="white", width=0.004, scale=22, pivot="mid")
    for middle in (1.0, -negative_multiple(len(found.net.channels) - 1)):
        axes.add_patch(Circle((middle, 0), found.config.epsilon, fill=False, color="black", linestyle="--"))
    axes.plot(1, 0, "*", markersize=11, color="white", markeredgecolor="black", clip_on=False, zorder=4)
    _ends(axes, found)
    reach = found.config.reach
    axes.set(xlim=(-reach, reach), ylim=(0, reach), aspect="equal")
    ratios = ", ".join(f"{each:.2g}" for each in found.net.expansivity)
    first, second = found.net.channels[1:]
    stuck = found.summary()["stuck"]
    axes.set_title(f"C₁ = {first}, C₂ = {second} (expansivity {ratios})\n{stuck:.1%} stuck", fontsize=10)
    return mesh


def _ends(axes: Axes, found: Directed) -> None:
    """The ends of descents outside the balls, by their distance along z* and from its ray."""
    ends, away = found.results["end"], found.results["away"]
    stuck = ends[(away > found.config.epsilon) & found.outside]
    shown = stuck[torch.linspace(0, len(stuck) - 1, min(ENDS, len(stuck))).long()]
    axes.plot(*shown.T, ".", markersize=3.5, color="tab:red", alpha=0.6)


def _corners(radii: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of cells around the lattice's points, as Cartesian coordinates."""
    half = radii[0] / 2
    between = np.concatenate([radii - half, radii[-1:] + half])
    turns = np.concatenate([angles[:1], (angles[1:] + angles[:-1]) / 2, angles[-1:]])
    return between[:, None] * np.cos(turns), between[:, None] * np.sin(turns)
