"""Figures of a generator's codes: their classes, how they spread, and samples far from all of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from preimage.data.pixels import to_uint8
from preimage.figures.plots import figure_png, new_figure
from preimage.latents.schema import UNLABELLED
from preimage.metrics.clusters import ClassRatios
from preimage.metrics.pag import PagResult

ACROSS = 10
"""Images in a line."""
LINE, HEAD = 0.93, 0.38
"""Inches that a line takes, and a block's title."""
MAX_NAMED = 20
"""The legend names the classes if there are no more than these."""
LINES = {
    "untrained": ("s-", "tab:orange"),
    "settled": ("^-", "tab:green"),
    "trained": ("o-", "tab:blue"),
    "normal": ("--", "grey"),
}


class TsneMap(NamedTuple):
    """Codes of labelled images in two dimensions."""

    points: Tensor
    """(n, 2)"""
    labels: Tensor
    """(n,), -1 where an image has none."""
    ratios: ClassRatios | None
    """Distances between classes over distances within them; None where there are no classes."""


class SampleBlock(NamedTuple):
    """Images of samples, chosen by their distance to the codes that were found."""

    images: Tensor
    """(n, C, H, W) in [-1, 1]."""
    distances: Tensor
    """(n,)"""
    log_likelihoods: Tensor
    """(n,), under the prior, in nats."""


def tsne_png(maps: Mapping[str, TsneMap], classes: Sequence[str]) -> bytes:
    """Maps beside each other, each titled with its name and ratios, a colour for each class.

    flexible-priors, figure 2. classes: their names by label, or none.
    """
    found = sorted({label for each in maps.values() for label in each.labels.tolist()} - {UNLABELLED})
    figure = new_figure(4.1 * len(maps) + 1.2, 4.4)
    places = figure.subplots(1, len(maps), squeeze=False)[0]
    for axes, (name, each) in zip(places, maps.items(), strict=True):
        _scatter(axes, each, found, classes)
        axes.set_title(f"{name}\n{_ratio_line(each)}", fontsize=10)
    if found and len(found) <= MAX_NAMED:
        handles, names = places[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right center", frameon=False, fontsize=9, markerscale=1.8)
    return figure_png(figure)


def disagreement_png(blocks: Mapping[str, SampleBlock], to: str) -> bytes:
    """Blocks of images, each titled with its name and how likely they are, over each image its distance to
    what `to` names; flexible-priors, figure 3."""
    lines = [-(-len(each.images) // ACROSS) for each in blocks.values()]
    heights = [LINE * rows + HEAD for rows in lines]
    figure = new_figure(0.8 * ACROSS, sum(heights))
    parts = np.atleast_1d(np.array(figure.subfigures(len(blocks), 1, height_ratios=heights)))
    for part, rows, (name, each) in zip(parts, lines, blocks.items(), strict=True):
        far, likely = each.distances.mean(), each.log_likelihoods.mean()
        said = f"{far:.2f} from {to} on average, log-likelihood {likely:.1f}"
        part.suptitle(f"{name}: {said}", fontsize=10)
        places = part.subplots(rows, ACROSS, squeeze=False).flatten()
        for axes in places:
            axes.set_axis_off()
        for axes, image, distance in zip(places, to_uint8(each.images.cpu()), each.distances, strict=False):
            _show(axes, image)
            axes.set_title(f"{distance:.2f}", fontsize=8, pad=2)
    return figure_png(figure)


def spectra_png(found: Mapping[str, PagResult]) -> bytes:
    """Singular values over the root of the count, `normal` codes among them; flexible-priors, figure 8."""
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for name, each in found.items():
        style, colour = LINES[name]
        values = each.singular_values.numpy() / np.sqrt(each.count)
        label = f"{name}, N = {each.count:,}: PAG {each.pag:.2f}"
        axes.plot(np.arange(1, len(values) + 1), values, style, color=colour, markersize=3, label=label)
    axes.set(xlabel="component", ylabel="singular value / √N", title="Spectrum of the latent codes")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure_png(figure)


def _scatter(axes: Axes, one: TsneMap, found: Sequence[int], classes: Sequence[str]) -> None:
    """A colour for each class; points without one are grey, below the others."""
    colours = colormaps["tab10" if len(found) <= 10 else "nipy_spectral"]
    for i, label in enumerate([UNLABELLED, *found]):
        points = one.points[one.labels == label].numpy()
        place = i - 1 if len(found) <= 10 else (i - 0.5) / len(found)
        colour = "0.6" if label == UNLABELLED else colours(place)
        name = classes[label] if 0 <= label < len(classes) else str(label)
        axes.scatter(*points.T, s=9, color=colour, linewidths=0, label=None if i == 0 else name)
    axes.set_aspect("equal", "datalim")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("0.8")


def _ratio_line(one: TsneMap) -> str:
    if one.ratios is None:
        return "no ratio: the images have no classes"
    return f"between classes / within: {one.ratios.scatter:.2f} (centroids {one.ratios.centroid:.2f})"


def _show(axes: Axes, image: Tensor) -> None:
    """An image (C, H, W) uint8; one channel is grey."""
    shades = image.expand(3, -1, -1).permute(1, 2, 0).numpy()
    axes.imshow(shades, interpolation="nearest")
