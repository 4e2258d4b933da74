"""What the figures of several jobs share, drawn without a display."""

import io
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from preimage.data.pixels import to_uint8
from preimage.figures.grids import tiled


def new_figure(width: float, height: float, dpi: int = 120) -> Figure:
    """An empty figure of this size in inches."""
    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def single_axes() -> tuple[Figure, Axes]:
    """A figure of one plot."""
    figure = new_figure(6, 4)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def aspect(images: Tensor) -> float:
    """The height of images (..., H, W) over their width."""
    return images.shape[-2] / images.shape[-1]


def figure_png(figure: Figure) -> bytes:
    """A finished figure as PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def image_rows_png(
    columns: Mapping[str, Mapping[str, Tensor]], width: float = 2.6, captions: Sequence[str] = ()
) -> bytes:
    """Columns of rows of images: column names on top, row names beside the first column.

    Images (n, C, H, W) in [-1, 1]; every column has the same rows. width: of a column, in inches. captions:
    of the images of each first row.
    """
    first = next(iter(columns.values()))
    names, some = list(first), next(iter(first.values()))
    above = 0.2 + 0.15 * (1 + max((each.count("\n") for each in captions), default=-1))
    figure = new_figure(width * len(columns), (width / len(some) * aspect(some) + 0.12) * len(names) + above)
    grid = figure.subplots(len(names), len(columns), squeeze=False)
    for across, (head, rows) in enumerate(columns.items()):
        for down, (name, images) in enumerate(rows.items()):
            axes = grid[down, across]
            picture = tiled(to_uint8(images), len(images))
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[], title="" if down else head)
            axes.set_ylabel("" if across else name, fontsize=8, rotation=0, ha="right", va="center")
            axes.spines[:].set_visible(False)
        _caption(grid[0, across], captions, some.shape[-1] + 1)
    return figure_png(figure)


def _caption(axes: Axes, captions: Sequence[str], step: int) -> None:
    """Texts above images that are `step` pixels apart."""
    if captions:
        axes.xaxis.tick_top()
        axes.tick_params(length=0, labelsize=8)
        axes.set_xticks([step * (place + 0.5) for place in range(len(captions))], captions)
