"""An image to paint on: cells that are hidden."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    Image,
    LinearColorMapper,
    RadioButtonGroup,
    Range1d,
    Slider,
)
from bokeh.plotting import figure

from preimage.browsing.page.kit import text_of

CELLS = 64
"""The most cells to a side: an image of more pixels is painted in larger cells."""
SIDE = 300
"""Pixels of the screen."""
HIDDEN = "rgba(236, 72, 153, 0.82)"


class Canvas:
    """A figure of an image, and a mask that is painted by dragging.

    painted: called when a stroke has ended.
    """

    def __init__(
        self, shape: tuple[int, int], brush: Slider, mode: RadioButtonGroup, painted: Callable[[], None]
    ) -> None:
        self.height, self.width = shape
        self.rows, self.columns = min(self.height, CELLS), min(self.width, CELLS)
        self._painted = painted
        self.cells = np.zeros((self.rows, self.columns), np.uint8)
        """Rows from the bottom up."""
        self.figure = _figure(self.rows, self.columns)
        where: dict[str, Any] = {"x": 0, "y": 0, "dw": self.columns, "dh": self.rows}
        self._image = ColumnDataSource({"image": [np.zeros((1, 1), np.uint32)]})
        self._mask = ColumnDataSource({"image": [self.cells.copy()]})
        self.figure.image_rgba("image", source=self._image, **where)
        colours = LinearColorMapper(palette=["rgba(0, 0, 0, 0)", HIDDEN], low=0, high=1)
        self.figure.add_glyph(self._mask, Image(image="image", color_mapper=colours, **where))
        about = {"mask": self._mask, "brush": brush, "mode": mode, "columns": self.columns, "rows": self.rows}
        for event in ("panstart", "pan", "panend", "tap"):
            self.figure.js_on_event(event, CustomJS(args=about, code=text_of("paint.js")))

    @property
    def hidden(self) -> np.ndarray:
        """(H, W) bool: the pixels that are painted over."""
        rows = np.arange(self.height) * self.rows // self.height
        columns = np.arange(self.width) * self.columns // self.width
        return self.cells[::-1].astype(bool)[rows][:, columns]

    def show(self, image: np.ndarray) -> None:
        """image: (H, W, C) uint8."""
        shade = np.full((self.height, self.width, 4), 255, np.uint8)
        shade[..., : 4 if image.shape[2] == 4 else 3] = image
        self._image.data = {"image": [np.ascontiguousarray(shade[::-1]).view(np.uint32)[..., 0]]}

    def clear(self) -> None:
        self.cells = np.zeros_like(self.cells)
        self._mask.data = {"image": [self.cells.copy()]}

    def arrived(self, cells: str) -> None:
        """What the browser painted: a 0 or 1 for each cell."""
        if len(cells) == self.cells.size and not set(cells) - set("01"):
            self.cells = np.frombuffer(cells.encode(), np.uint8).reshape(self.cells.shape) - ord("0")
            self._painted()


def _figure(rows: int, columns: int) -> figure:
    longer = max(rows, columns)
    made = figure(
        width=round(SIDE * columns / longer),
        height=round(SIDE * rows / longer),
        x_range=Range1d(start=0, end=columns),
        y_range=Range1d(start=0, end=rows),
        tools="",
        toolbar_location=None,
        min_border=0,
        outline_line_color=None,
        background_fill_color=None,
        border_fill_color=None,
        name="canvas",
    )
    made.axis.visible = False
    made.grid.visible = False
    return made
