"""The map: a point for each code, coloured by a column; hovering, picking, and lassoing."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import RangesUpdate, SelectionGeometry, Tap
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    HoverTool,
    ImageRGBA,
    LassoSelectTool,
    LinearColorMapper,
    PanTool,
    Range1d,
    ResetTool,
    Scatter,
    WheelZoomTool,
)
from bokeh.plotting import figure
from bokeh.transform import transform

from preimage.browsing.page.colours import UNKNOWN, Colouring, colouring, plain
from preimage.browsing.page.session import LETTERS, Session
from preimage.browsing.points import density, in_window

DRAWN = 20_000
"""Points that are drawn at a time. Of more, the rest shows as a density, and points come as one zooms in."""
REACH = 14
"""Pixels from a point within which a click picks it."""
GUESSED = 600
MARGIN = 0.04
BINS = 256
SMALL, LARGE = 4, 7


class MapView:
    """The map's figure. lassoed: told the places of the points in a lasso."""

    def __init__(self, session: Session, lassoed: Callable[[np.ndarray], None]) -> None:
        self.session, self.points, self._lassoed = session, session.points, lassoed
        self.colouring: Colouring = plain(len(self.points))
        self.places = np.arange(0)
        x0, x1, y0, y1 = _wider(self.points.extent)
        self._ranges = Range1d(start=x0, end=x1), Range1d(start=y0, end=y1)
        self.figure = _figure(*self._ranges)
        self.source = ColumnDataSource({"x": [], "y": [], "place": [], "name": [], "value": []})
        self.mapper = LinearColorMapper(palette=["#000000"], low=0, high=1, nan_color=UNKNOWN)
        self.whole = len(self.points) <= DRAWN
        if not self.whole:
            self._draw_density((x0, x1, y0, y1))
            self.figure.on_event(RangesUpdate, self._zoomed)
        self._draw_points()
        self._marks = ColumnDataSource({"x": [], "y": [], "letter": []})
        _draw_marks(self.figure, self._marks)
        self.figure.on_event(Tap, self._tap)
        self.figure.on_event(SelectionGeometry, self._select)
        self.show_window(x0, x1, y0, y1)
        session.changed.append(self._mark)

    def colour_by(self, column: str | None) -> Colouring:
        """May take long: see `recolour`."""
        if column is None:
            return plain(len(self.points))
        return colouring(self.points.columns[column], self.session.subject.classes)

    def recolour(self, found: Colouring) -> None:
        self.colouring = found
        self.mapper.update(palette=list(found.palette), low=found.low, high=found.high)
        data: Any = self.source.data
        data["value"] = found.values[self.places]

    def show_window(self, x0: float, x1: float, y0: float, y1: float) -> None:
        """Draw at most DRAWN of the points in a window."""
        places = np.arange(len(self.points)) if self.whole else in_window(self.points, x0, x1, y0, y1, DRAWN)
        if len(places) == len(self.places) and (places == self.places).all():
            return
        self.places = places
        x, y = self.points.xy[places].T
        self.source.data = {
            "x": np.ascontiguousarray(x),
            "y": np.ascontiguousarray(y),
            "place": places.astype(np.int32),
            "name": self._names(places),
            "value": self.colouring.values[places],
        }

    def nearest(self, x: float, y: float, count: int = 1) -> np.ndarray:
        """The places of the points nearest to a position as one sees it, the nearest first."""
        away = ((self.points.xy - (x, y)) / self._pixel) ** 2
        squares = away.sum(1)
        first = np.argpartition(squares, min(count, len(squares) - 1))[:count]
        return first[np.argsort(squares[first])]

    @property
    def _pixel(self) -> tuple[float, float]:
        """The size of a pixel in the map's units."""
        x, y = (_length(each) for each in self._ranges)
        return x / _side(self.figure, "inner_width"), y / _side(self.figure, "inner_height")

    def _zoomed(self, event: Any) -> None:
        self.show_window(event.x0, event.x1, event.y0, event.y1)

    def _tap(self, event: Any) -> None:
        if not len(self.points):
            return
        x, y = event.x, event.y
        (place,) = self.nearest(x, y)
        if np.hypot(*((self.points.xy[place] - (x, y)) / self._pixel)) <= REACH:
            self.session.pick(int(self.points.ids[place]))

    def _select(self, event: Any) -> None:
        if event.final and event.geometry["type"] == "poly":
            corners = np.column_stack([event.geometry["x"], event.geometry["y"]]).astype(np.float64)
            self._lassoed(inside(self.points.xy, corners))

    def _mark(self) -> None:
        found = []
        for letter, image_id in zip(LETTERS, self.session.picked, strict=True):
            if image_id is not None and len(place := np.flatnonzero(self.points.ids == image_id)):
                found.append((*self.points.xy[place[0]].tolist(), letter))
        x, y, letters = zip(*found, strict=True) if found else ([], [], [])
        self._marks.data = {"x": list(x), "y": list(y), "letter": list(letters)}

    def _names(self, places: np.ndarray) -> list[str]:
        names = self.points.names
        return [names[each] if names else f"code {self.points.ids[each]}" for each in places.tolist()]

    def _draw_density(self, window: tuple[float, float, float, float]) -> None:
        x0, x1, y0, y1 = window
        counts = np.log1p(density(self.points, x0, x1, y0, y1, BINS).astype(np.float64))
        shade = np.zeros((BINS, BINS, 4), np.uint8)
        shade[..., :3] = (0x8A, 0x92, 0xA8)
        shade[..., 3] = (200 * counts / max(counts.max(), 1e-9)).astype(np.uint8)
        source = ColumnDataSource({"image": [shade.view(np.uint32).reshape(BINS, BINS)]})
        self.figure.add_glyph(source, ImageRGBA(image="image", x=x0, y=y0, dw=x1 - x0, dh=y1 - y0))

    def _draw_points(self) -> None:
        size = LARGE if len(self.points) <= 2000 else SMALL
        colour = transform("value", self.mapper)
        glyph = Scatter(x="x", y="y", size=size, fill_color=colour, line_color=None, fill_alpha=0.85)
        faint = Scatter(x="x", y="y", size=size, fill_color=colour, line_color=None, fill_alpha=0.12)
        drawn = self.figure.add_glyph(self.source, glyph, selection_glyph=glyph, nonselection_glyph=faint)
        hover = HoverTool(
            renderers=[drawn],
            tooltips=self._tooltip(),
            attachment="horizontal",
            point_policy="snap_to_data",
            visible=False,
        )
        self.figure.add_tools(hover)

    def _tooltip(self) -> str:
        """Image and reconstruction come from the server when a point is looked at."""
        subject, at = self.session.subject, f"{self.session.pictures}/{{}}/@place.png"
        kinds = [
            ("image", subject.pixels is not None),
            ("reconstruction", subject.generator is not None),
        ]
        shown = "".join(
            f'<div><img src="{at.format(kind)}" alt="" style="{HOVERED}"><div>{kind}</div></div>'
            for kind, there in kinds
            if there
        )
        return f'<div style="{CARD}"><div style="display:flex;gap:8px">{shown}</div><div>@name</div></div>'


HOVERED = (
    "width:88px;height:88px;object-fit:contain;image-rendering:pixelated;display:block;border-radius:4px"
)
CARD = "font:11px/1.4 system-ui,sans-serif;color:#444;text-align:center;max-width:190px;overflow:hidden"


def inside(xy: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The places of the points (n, 2) within a polygon (m, 2): a ray to the right crosses its edges an odd
    number of times."""
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    x, y = xy.T.astype(np.float64)
    near = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
    x, y = x[near], y[near]
    odd = np.zeros(len(near), bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if ay != by:
            odd ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return near[odd]


def _length(of: Range1d) -> float:
    ends: Any = of.start, of.end  # which might be dates too
    return abs(ends[1] - ends[0])


def _side(figure: figure, name: str) -> int:
    """Pixels that the browser has told; a guess until it has."""
    try:
        return getattr(figure, name) or GUESSED
    except UnsetValueError:
        return GUESSED


def _figure(x: Range1d, y: Range1d) -> figure:
    wheel = WheelZoomTool()
    made = figure(
        tools=[PanTool(), wheel, BoxZoomTool(), LassoSelectTool(continuous=False), ResetTool()],
        active_scroll=wheel,
        x_range=x,
        y_range=y,
        sizing_mode="stretch_both",
        min_height=200,
        output_backend="webgl",
        toolbar_location="right",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border=0,
        name="map",
        lod_threshold=None,
    )
    made.axis.visible = False
    made.grid.visible = False
    made.toolbar.logo = None
    return made


def _draw_marks(figure: figure, source: ColumnDataSource) -> None:
    figure.scatter(
        "x",
        "y",
        source=source,
        size=22,
        fill_color="#14151c",
        line_color="white",
        line_width=2,
        nonselection_alpha=1,
    )
    figure.text(
        *("x", "y", "letter"),
        source=source,
        text_color="white",
        text_align="center",
        text_baseline="middle",
        text_font_size="12px",
        text_font_style="bold",
        nonselection_text_alpha=1,
    )


def _wider(extent: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x0, x1, y0, y1 = extent
    dx, dy = (MARGIN * ((end - start) or 1) for start, end in ((x0, x1), (y0, y1)))
    return x0 - dx, x1 + dx, y0 - dy, y1 + dy
