"""Plots, drawn without a screen."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def spectrum_png(singular_values: np.ndarray, std: float, count: int) -> bytes:
    """Singular values of the codes, scaled by 1/sqrt(N), beside those of codes drawn from the prior.

    flexible-priors, figure 8. `singular_values` (d,) in descending order, of the N x d matrix.
    """
    figure, axes = _figure()
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
    return _png(figure)


def losses_png(curves: dict[str, list[tuple[int, float]]]) -> bytes:
    """Both players' losses, and what the discriminator makes of real and generated images, over images seen.

    `curves`: each metric's values by images seen.
    """
    figure = Figure(figsize=(9, 3.4), dpi=120, layout="constrained")
    panels = {
        "loss": ("discriminator_loss", "generator_loss"),
        "D(x)": ("real_probability", "generated_probability"),
    }
    for axes, (label, metrics) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for metric in metrics:
            axes.plot(*zip(*curves[metric], strict=True), label=metric.replace("_", " "))
        axes.set(xlabel="images seen", ylabel=label)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return _png(figure)


def convergence_png(losses: np.ndarray) -> bytes:
    """How the reconstruction errors (N,) per pixel of a store are spread."""
    figure, axes = _figure()
    axes.hist(losses, bins=60, color="tab:blue")
    axes.axvline(
        float(np.median(losses)), color="black", linestyle="--", label=f"median {np.median(losses):.4f}"
    )
    axes.set(xlabel="squared error per pixel", ylabel="images", title="Reconstruction error")
    axes.legend(frameon=False)
    return _png(figure)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
