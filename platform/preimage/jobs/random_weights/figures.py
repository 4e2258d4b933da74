"""Figures of reconstructions through generators with random weights: the loss by step, and the images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from torch import Tensor

from preimage.data.pixels import to_uint8
from preimage.figures.grids import tiled
from preimage.figures.plots import figure_png, new_figure


@dataclass(frozen=True)
class Reconstructions:
    """The reconstructions of one dataset's images from codes of one dimension."""

    steps: Sequence[int]
    """The steps whose losses are kept."""
    loss: np.ndarray
    """(n, len(steps)), the squared error per pixel."""
    variance: np.ndarray
    """(n,), of each image: the squared error of its mean colour."""
    shown: Tensor
    """(images, 1 + steps shown, C, H, W) in [-1, 1]: each original, then its reconstructions by step."""

    def after(self, step: int) -> float:
        """The mean loss after a step."""
        return float(self.loss[:, self.steps.index(step)].mean())

    def explained(self, step: int) -> float:
        """The fraction of the images' variance that the reconstruction explains after a step."""
        return 1 - self.after(step) / float(self.variance.mean())

    @property
    def rises(self) -> int:
        """How often the mean loss is higher at a step that is kept than at the one before: 0 if it decreases
        steadily."""
        return int((np.diff(self.loss.mean(0)) > 0).sum())


AllReconstructions = Mapping[tuple[str, int], Reconstructions]
"""By dataset and number of components of a code."""


def loss_by_step_png(found: AllReconstructions, marks: Sequence[int]) -> bytes:
    """Mean loss by step with the middle 80% of the images, one panel per dataset; flexible-priors, figure 6.

    marks: steps to mark with a dot.
    """
    names = list(dict.fromkeys(name for name, _ in found))
    figure = new_figure(2 + 4 * len(names), 4)
    for axes, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        mine = {latent_dim: each for (dataset, latent_dim), each in found.items() if dataset == name}
        for latent_dim, each in mine.items():
            (line,) = axes.plot(each.steps, each.loss.mean(0), label=f"{latent_dim} components")
            low, high = np.quantile(each.loss, (0.1, 0.9), axis=0)
            axes.fill_between(each.steps, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
            axes.plot(marks, [each.after(step) for step in marks], "o", markersize=4, color=line.get_color())
        mean_colour = np.mean([each.variance.mean() for each in mine.values()])
        axes.axhline(mean_colour, color="grey", linestyle="--", linewidth=1, label="mean colour alone")
        axes.set(xlabel="step", title=name)
        axes.set_xlim(left=0)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("squared error per pixel")
    figure.axes[0].set_ylim(bottom=0)  # of all panels: they share it
    figure.axes[-1].legend(frameon=False, title="mean; shaded: 80% of the images")
    return figure_png(figure)


def reconstructions_png(found: AllReconstructions, steps: Sequence[int]) -> bytes:
    """Originals, and beside each its reconstructions after these steps: one row of blocks per dataset, one
    column per number of components; flexible-priors, figure 7."""
    names = list(dict.fromkeys(name for name, _ in found))
    dims = list(dict.fromkeys(latent_dim for _, latent_dim in found))
    rows, columns = len(next(iter(found.values())).shown), 1 + len(steps)
    figure = new_figure(0.6 * columns * len(dims) + 0.5, (0.6 * rows + 0.6) * len(names), dpi=160)
    grid = figure.subplots(len(names), len(dims), squeeze=False)
    for axes, (name, latent_dim) in zip(grid.flat, product(names, dims), strict=True):
        shown = found[name, latent_dim].shown
        picture = tiled(to_uint8(shown.flatten(0, 1)), columns, padding=2)
        axes.imshow(picture, interpolation="nearest")
        side = shown.shape[-1] + 2
        axes.set_xticks(
            [side * (i + 0.5) for i in range(columns)],
            ["original", *(f"step {each}" for each in steps)],
            fontsize=8,
        )
        axes.set_yticks([])
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"{name}, {latent_dim} components")
    return figure_png(figure)
