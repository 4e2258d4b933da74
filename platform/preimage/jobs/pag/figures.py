"""The figure of a pag job."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from preimage.figures.plots import figure_png, single_axes


def spectrum_png(singular_values: np.ndarray, std: float, count: int) -> bytes:
    """Singular values of the codes, scaled by 1/sqrt(N), beside those of codes drawn from the prior.

    flexible-priors, figure 8. `singular_values` (d,) in descending order, of the N x d matrix.
    """
    figure, axes = single_axes()
    order = np.arange(1, len(singular_values) + 1)
    drawn = np.random.default_rng(0).standard_normal((min(count, 10_000), len(singular_values))) * std
    expected = np.linalg.svd(drawn, compute_uv=False) / np.sqrt(len(drawn))
    axes.plot(
        order, singular_values / np.sqrt(count), "o-", markersize=3, label=f"found codes (N = {count:,})"
    )
    axes.plot(order, expected, "--", color="grey", label=f"codes of the prior (std {std:.3g})")
    axes.set(xlabel="component", ylabel="singular value / √N", title="Spectrum of the latent codes")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure_png(figure)
