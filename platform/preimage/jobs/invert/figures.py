"""The figure of an inversion."""

import numpy as np

from preimage.figures.plots import figure_png, single_axes


def convergence_png(losses: np.ndarray) -> bytes:
    """A histogram of a store's reconstruction errors (N,) per pixel."""
    figure, axes = single_axes()
    axes.hist(losses, bins=60, color="tab:blue")
    axes.axvline(
        float(np.median(losses)), color="black", linestyle="--", label=f"median {np.median(losses):.4f}"
    )
    axes.set(xlabel="squared error per pixel", ylabel="images", title="Reconstruction error")
    axes.legend(frameon=False)
    return figure_png(figure)
