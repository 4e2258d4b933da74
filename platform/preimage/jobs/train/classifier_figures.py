"""A classifier's confusion matrix and its learning curves."""

from matplotlib.ticker import PercentFormatter
from torch import Tensor

from preimage.figures.plots import figure_png, new_figure
from preimage.jobs.train.figures import draw, over_images

LEGIBLE = 20
"""Up to this many classes the matrix shows numbers; up to three times as many it shows class names."""


def confusion_png(counts: Tensor, names: list[str], held_out: str) -> bytes:
    """Counts of images (K, K) by true class (rows) and predicted class (columns), as fractions of a row."""
    classes = len(names)
    shares = counts.double() / counts.sum(1, keepdim=True).clamp_min(1)
    side = min(4.0 + 0.42 * classes, 12.0)
    figure = new_figure(side, side * 0.92)
    axes = figure.subplots()
    picture = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    if classes <= 3 * LEGIBLE:
        axes.set_xticks(range(classes), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
        axes.set_yticks(range(classes), names, fontsize=8)
    if classes <= LEGIBLE:
        for row, line in enumerate(shares.tolist()):
            for column, share in enumerate(line):
                colour = "white" if share > 0.5 else "black"
                text = str(round(100 * share) or "·")
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    right = counts.diagonal().sum().item() / max(1, counts.sum().item())
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(f"{right:.1%} of {held_out} correct", fontsize=10)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axes, shrink=0.7, format=PercentFormatter(1))
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.set_label("fraction of the class's images")
    return figure_png(figure)


def learning_png(curves: dict[str, list[tuple[int, float]]], accuracy: float) -> bytes:
    """The loss and the accuracy of training batches over images seen, and the accuracy on held-out images."""
    figure = new_figure(9, 3.4)
    left, right = figure.subplots(1, 2)
    draw(left, curves["loss"])
    left.set(ylabel="cross-entropy")
    draw(right, curves["training_accuracy"], "training batches")
    right.axhline(
        accuracy, color="black", linestyle="--", label=f"held-out images, at the end: {accuracy:.1%}"
    )
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.set(ylabel="accuracy", ylim=(None, 1))
    right.legend(frameon=False, loc="lower right")
    for axes in (left, right):
        over_images(axes)
    return figure_png(figure)
