"""The figures of training runs: curves over images seen."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from preimage.figures.plots import figure_png, new_figure, single_axes

Curve = list[tuple[int, float]]
"""A metric over images seen."""


def losses_png(curves: dict[str, Curve]) -> bytes:
    """Both players' losses, and the discriminator's outputs for real and generated images, over images seen.

    `curves`: each metric's values by images seen.
    """
    figure = new_figure(9, 3.4)
    panels = {
        "loss": ("discriminator_loss", "generator_loss"),
        "D(x)": ("real_probability", "generated_probability"),
    }
    for axes, (label, metrics) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for metric in metrics:
            draw(axes, curves[metric], metric.replace("_", " "))
        axes.set(ylabel=label)
        over_images(axes)
        axes.legend(frameon=False)
    return figure_png(figure)


def curves_png(curves: dict[str, Curve]) -> bytes:
    """Any metrics over images seen, one panel each."""
    figure = new_figure(4.5 * len(curves), 3.4)
    for axes, (name, curve) in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True
    ):
        axes.plot(*zip(*curve, strict=True), "o-", markersize=3)
        axes.set(ylabel=name.replace("_", " "))
        over_images(axes)
    return figure_png(figure)


def loss_png(curve: Curve, name: str) -> bytes:
    """A loss over images seen, on a logarithmic axis."""
    figure, axes = single_axes()
    draw(axes, curve)
    axes.set(ylabel=name, yscale="log", title="Training loss")
    over_images(axes)
    return figure_png(figure)


def draw(axes: Axes, curve: Curve, label: str | None = None) -> None:
    """A line; of a single value, which has none, a point."""
    axes.plot(*zip(*curve, strict=True), "o-" if len(curve) == 1 else "-", label=label)


def over_images(axes: Axes) -> None:
    """Make the x axis show images seen."""
    axes.set_xlabel("images seen")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)
