"""Plots, drawn without a screen."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from torch import Tensor

from preimage.data.pixels import to_uint8
from preimage.figures.grids import tiled


def spectrum_png(singular_values: np.ndarray, std: float, count: int) -> bytes:
    """Singular values of the codes, scaled by 1/sqrt(N), beside those of codes drawn from the prior.

    flexible-priors, figure 8. `singular_values` (d,) in descending order, of the N x d matrix.
    """
    figure, axes = _single()
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


def losses_png(curves: dict[str, list[tuple[int, float]]]) -> bytes:
    """Both players' losses, and what the discriminator makes of real and generated images, over images seen.

    `curves`: each metric's values by images seen.
    """
    figure = new_figure(9, 3.4)
    panels = {
        "loss": ("discriminator_loss", "generator_loss"),
        "D(x)": ("real_probability", "generated_probability"),
    }
    for axes, (label, metrics) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for metric in metrics:
            axes.plot(*zip(*curves[metric], strict=True), label=metric.replace("_", " "))
        axes.set(ylabel=label)
        over_images(axes)
        axes.legend(frameon=False)
    return figure_png(figure)


def curves_png(curves: dict[str, list[tuple[int, float]]]) -> bytes:
    """Any metrics over images seen, a panel each."""
    figure = new_figure(4.5 * len(curves), 3.4)
    for axes, (name, curve) in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True
    ):
        axes.plot(*zip(*curve, strict=True), "o-", markersize=3)
        axes.set(ylabel=name.replace("_", " "))
        over_images(axes)
    return figure_png(figure)


def loss_png(curve: list[tuple[int, float]], name: str) -> bytes:
    """A loss by images seen, its axis logarithmic."""
    figure, axes = _single()
    axes.plot(*zip(*curve, strict=True))
    axes.set(ylabel=name, yscale="log", title="Training loss")
    over_images(axes)
    return figure_png(figure)


def over_images(axes: Axes) -> None:
    """An x axis of images seen."""
    axes.set_xlabel("images seen")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)


def convergence_png(losses: np.ndarray) -> bytes:
    """How the reconstruction errors (N,) per pixel of a store are spread."""
    figure, axes = _single()
    axes.hist(losses, bins=60, color="tab:blue")
    axes.axvline(
        float(np.median(losses)), color="black", linestyle="--", label=f"median {np.median(losses):.4f}"
    )
    axes.set(xlabel="squared error per pixel", ylabel="images", title="Reconstruction error")
    axes.legend(frameon=False)
    return figure_png(figure)


def new_figure(width: float, height: float, dpi: int = 120) -> Figure:
    """An empty figure of that size in inches."""
    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def figure_png(figure: Figure) -> bytes:
    """A finished figure as a file's content."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def image_rows_png(columns: Mapping[str, Mapping[str, Tensor]]) -> bytes:
    """Columns of rows of images, each column headed by its name, the rows named beside the first.

    Images (n, C, H, W) in [-1, 1]; every column has the same rows.
    """
    first = next(iter(columns.values()))
    names, count = list(first), len(next(iter(first.values())))
    figure = new_figure(2.6 * len(columns), (2.6 / count + 0.12) * len(names) + 0.2)
    grid = figure.subplots(len(names), len(columns), squeeze=False)
    for across, (head, rows) in enumerate(columns.items()):
        for down, (name, images) in enumerate(rows.items()):
            axes = grid[down, across]
            picture = tiled(to_uint8(images), len(images))
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[], title="" if down else head)
            axes.set_ylabel("" if across else name, fontsize=8)
            axes.spines[:].set_visible(False)
    return figure_png(figure)


def _single() -> tuple[Figure, Axes]:
    figure = new_figure(6, 4)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
