"""Figures of what codes can do: samples, interpolations, arithmetic, conditional generation."""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from typing import NamedTuple

import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor

from preimage.data.pixels import to_uint8
from preimage.figures.grids import tiled
from preimage.figures.plots import aspect, figure_png, new_figure

CELL = 0.8
"""The width of an image in inches; titles add to a figure's height."""


class Term(NamedTuple):
    """An averaged code in a sum, or the sum itself."""

    sign: str
    """The sign before it: plus, minus or equals."""
    name: str
    image: Tensor
    """(C, H, W), the generator's image of the code."""
    members: Tensor | None = None
    """(n, C, H, W), some of the images whose codes are averaged."""


class Drawn(NamedTuple):
    """An image, and the images drawn to agree with the part of it that is seen."""

    image_id: int
    images: Tensor
    """(1 + r, C, H, W), the image first."""
    seen: Tensor
    """(1 + r, C, h, w), the part of each that is seen."""


def samples_png(samples: Mapping[str, Tensor]) -> bytes:
    """Grids side by side, each with its title: images (N, C, H, W) of drawn codes; glo, figure 3."""
    first = next(iter(samples.values()))
    columns = ceil(sqrt(len(first)))
    height = CELL * aspect(first) * ceil(len(first) / columns) + 0.4
    figure = new_figure((CELL * columns + 0.1) * len(samples), height)
    grids = figure.subplots(1, len(samples), squeeze=False)[0]
    for axes, (title, images) in zip(grids, samples.items(), strict=True):
        _show(axes, images, columns)
        axes.set_title(title, fontsize=10)
    return figure_png(figure)


def interpolations_png(codes: Mapping[str, Tensor], pixels: Tensor) -> bytes:
    """For each pair of images, rows of images of interpolated codes, by the name of their generator, above
    blended images, all (n, steps, C, H, W). The ends of a blended row are the images themselves; glo,
    figures 4 and 5."""
    pairs, steps = pixels.shape[:2]
    names = [*codes, "pixels"]
    margin = 0.45 + 0.09 * max(map(len, names))
    figure = new_figure(CELL * steps + margin, (len(names) * CELL * aspect(pixels) + 0.15) * pairs + 0.4)
    figure.suptitle("Interpolated codes, and below them blended images", fontsize=10)
    rows = figure.subplots(pairs, squeeze=False)[:, 0]
    for pair, axes in enumerate(rows):
        lines = [each[pair] for each in (*codes.values(), pixels)]
        _show(axes, [image for line in lines for image in line], steps, names)
    return figure_png(figure)


def arithmetic_png(sums: Sequence[Sequence[Term]]) -> bytes:
    """One row per sum: the generator's images of the averaged codes and of the result, with some of the
    averaged images above each; glo, figure 6."""
    columns, height = max(map(len, sums)), 2.7 * CELL * aspect(sums[0][0].image) + 0.3
    figure = new_figure(2 * CELL * columns, height * len(sums))
    grid = figure.subplots(2 * len(sums), columns, squeeze=False, height_ratios=[1, 3] * len(sums))
    for axes in grid.flat:
        axes.set_axis_off()
    for row, terms in enumerate(sums):
        for column, term in enumerate(terms):
            above, below = grid[2 * row : 2 * row + 2, column]
            above.set_anchor("S")  # close to each other, however wide the column
            below.set_anchor("N")
            if term.members is not None:
                _show(above, term.members, len(term.members))
            above.set_title(term.name, fontsize=9)
            _show(below, [term.image], 1)
            if column:
                below.text(
                    -0.06, 0.5, term.sign, transform=below.transAxes, ha="right", va="center", fontsize=16
                )
    return figure_png(figure)


def conditional_png(drawn: Sequence[Drawn]) -> bytes:
    """Pairs of rows: an image and its draws, and below each the part of it that is seen; glo, figure 7."""
    count, width = len(drawn[0].images), drawn[0].images.shape[-1]
    widths = [width + 2, (count - 1) * (width + 1) + 1]  # in pixels, with the lines between images
    height = 2 * CELL * aspect(drawn[0].images) + 0.15
    figure = new_figure(CELL * (count + 0.4) + 0.5, height * len(drawn) + 0.4)
    grid = figure.subplots(len(drawn), 2, squeeze=False, width_ratios=widths)
    for (left, right), each in zip(grid, drawn, strict=True):
        seen = F.interpolate(each.seen, each.images.shape[2:])
        _show(left, [each.images[0], seen[0]], 1, ("whole", "seen"))
        _show(right, [*each.images[1:], *seen[1:]], count - 1)
    grid[0, 0].set_title("image", fontsize=10)
    grid[0, 1].set_title("drawn to agree with what is seen of it", fontsize=10)
    return figure_png(figure)


def _show(axes: Axes, images: Tensor | Sequence[Tensor], columns: int, rows: Sequence[str] = ()) -> None:
    """Images (C, H, W) in [-1, 1] as a grid without a frame, with the names of its rows if given."""
    grid = tiled([to_uint8(each) for each in images], columns)
    axes.imshow(grid, interpolation="nearest")
    height = len(grid) / max(1, len(rows))
    places = [(row + 0.5) * height for row in range(len(rows))]
    axes.set_yticks(places, rows, fontsize=8)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    if rows:
        axes.set_anchor("E")  # leaves the room on the left to their names
