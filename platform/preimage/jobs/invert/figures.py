"""The figures of an inversion."""

import numpy as np
from torch import Tensor

from preimage.figures.plots import figure_png, single_axes

FLOOR = 1e-20
"""Eigenvalues are drawn at least this large: the axis is logarithmic."""


def convergence_png(counts: np.ndarray, edges: np.ndarray, median: float) -> bytes:
    """A histogram of a store's reconstruction errors per pixel: counts (k,) between edges (k + 1,)."""
    figure, axes = single_axes()
    axes.stairs(counts, edges, fill=True, color="tab:blue")
    axes.axvline(median, color="black", linestyle="--", label=f"median {median:.4f}")
    axes.set(xlabel="squared error per pixel", ylabel="images", title="Reconstruction error")
    axes.legend(frameon=False)
    return figure_png(figure)


def local_rank_png(found: Tensor, prior: Tensor, threshold: float) -> bytes:
    """The spectra of J J^T / pixels at codes found and at draws of the prior: eigenvalues (n, d) ascending.

    Each is drawn from the largest, its median over the codes within its range. threshold: relative to the
    median largest eigenvalue at the codes found.
    """
    figure, axes = single_axes()
    for values, name, colour in ((prior, "draws of the prior", "grey"), (found, "codes found", "tab:blue")):
        falling = values.flip(1).clamp_min(FLOOR).numpy()
        directions = np.arange(1, falling.shape[1] + 1)
        axes.fill_between(directions, falling.min(0), falling.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.plot(directions, np.median(falling, axis=0), ".-", color=colour, label=name)
    line = threshold * found[:, -1].median().clamp_min(FLOOR).item()
    axes.axhline(line, color="black", linestyle="--", label="undetermined below")
    axes.set(
        xlabel="direction",
        ylabel="eigenvalue of J J^T / pixels",
        title="How well an image determines its code",
        yscale="log",
    )
    axes.legend(frameon=False, loc="upper right")
    return figure_png(figure)
