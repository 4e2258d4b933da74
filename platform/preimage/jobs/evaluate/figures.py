"""Figures of samples: the images themselves, their classes, and how near they are to each other."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from preimage.figures.grids import tiled
from preimage.figures.plots import aspect, figure_png, new_figure

ACROSS = 6
"""Images in a line of a block."""
MAX_BAR_CLASSES = 20
"""Each class has bars of its own if there are no more than these."""


def blocks_png(blocks: Mapping[str, Tensor]) -> bytes:
    """Blocks of images (n, C, H, W) uint8 beside each other, each titled with its name."""
    columns = len(blocks) if len(blocks) <= 4 else 3
    lines = -(-len(blocks) // columns)
    ratio = aspect(next(iter(blocks.values())))
    height = -(-max(map(len, blocks.values())) // ACROSS) / ACROSS * 3 * ratio
    figure = new_figure(3.1 * columns, (height + 0.35) * lines, dpi=150)
    places = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes in places:
        axes.set_axis_off()
    for axes, (name, images) in zip(places, blocks.items(), strict=False):
        _show(axes, images, ACROSS)
        axes.set_title(name, fontsize=10)
    return figure_png(figure)


def pairs_png(sets: Mapping[str, tuple[Tensor, Sequence[float]]]) -> bytes:
    """The closest pairs of each set, the closest first: one image above the other, and their distance.

    sets: images (2 n, C, H, W) uint8, pair after pair, and n distances.
    """
    across = max(len(distances) for _, distances in sets.values())
    ratio = aspect(next(iter(sets.values()))[0])
    figure = new_figure(0.95 * across, (1.9 * ratio + 0.5) * len(sets), dpi=150)
    for part, (name, (images, distances)) in zip(
        np.atleast_1d(np.array(figure.subfigures(len(sets), 1))), sets.items(), strict=True
    ):
        part.suptitle(name, fontsize=10)
        places = part.subplots(1, across, squeeze=False)[0]
        for axes in places:
            axes.set_axis_off()
        for axes, pair, distance in zip(places, images.split(2), distances, strict=False):
            _show(axes, pair, 1)
            axes.set_title(f"{distance:.2f}", fontsize=8)
    return figure_png(figure)


def _show(axes: Axes, images: Tensor, across: int) -> None:
    picture = tiled(images, across)
    axes.imshow(picture, interpolation="nearest")


def classes_png(shares: Mapping[str, Tensor], classes: Sequence[str]) -> bytes:
    """How images are spread over classes: bars for a few classes, shares in descending order for many.

    shares: (K,) by name of the set. classes: their names, or none.
    """
    count = len(next(iter(shares.values())))
    if count > MAX_BAR_CLASSES:
        return _ordered_png(shares)
    figure = new_figure(max(6.4, 0.22 * count * len(shares) + 1.5), 3.8)
    axes = figure.subplots()
    width = 0.84 / len(shares)
    for i, (name, each) in enumerate(shares.items()):
        places = np.arange(count) + (i - (len(shares) - 1) / 2) * width
        axes.bar(places, each.numpy(), width, label=name, color=_colour(i))
    axes.set_xticks(np.arange(count), list(classes) or [str(i) for i in range(count)])
    axes.tick_params(axis="x", length=0)
    if max(map(len, classes), default=1) > 3:
        for label in axes.get_xticklabels():
            label.set(rotation=35, ha="right", rotation_mode="anchor")
    _finish(axes, "fraction of images", "Most likely classes")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return figure_png(figure)


def _ordered_png(shares: Mapping[str, Tensor]) -> bytes:
    figure = new_figure(6.4, 3.8)
    axes = figure.subplots()
    for i, (name, each) in enumerate(shares.items()):
        ordered = each.sort(descending=True).values
        held = ordered[ordered > 0].numpy()
        axes.plot(np.arange(1, len(held) + 1), held, label=name, color=_colour(i))
    axes.set(xlabel="classes, the most frequent first", yscale="log")
    _finish(axes, "fraction of images", "Most likely classes")
    return figure_png(figure)


def distances_png(distances: Mapping[str, Tensor], threshold: float) -> bytes:
    """The fraction of images nearer to another of their set than a distance, and where near-duplicates begin.

    distances: (n,) to the nearest other image, by name of the set.
    """
    figure = new_figure(6.4, 3.8)
    axes = figure.subplots()
    for i, (name, each) in enumerate(distances.items()):
        ordered = np.sort(each.numpy())
        axes.step(ordered, np.arange(1, len(ordered) + 1) / len(ordered), label=name, color=_colour(i))
    axes.axvspan(0, threshold, color="0.9", zorder=0, label="near-duplicates")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.set_xlabel("distance to the nearest other image, at 8 x 8 pixels")
    _finish(axes, "fraction of images nearer than that", "How near images are to each other")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return figure_png(figure)


def _colour(i: int) -> str:
    """Grey for the first set, the real images."""
    return f"C{i - 1}" if i else "0.45"


def _finish(axes: Axes, label: str, title: str) -> None:
    axes.set(ylabel=label, title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
