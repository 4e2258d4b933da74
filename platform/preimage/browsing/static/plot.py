"""The map as a Bokeh plot, drawn by WebGL."""

import re

import numpy as np
from bokeh.embed import components
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, LassoSelectTool, TapTool, WheelZoomTool
from bokeh.plotting import figure

from preimage.browsing.points import Points, density

NAME = "points"
"""By which the page's script finds the data."""
CELLS = 256
GREYS = [f"#{level:02x}{level:02x}{level:02x}" for level in range(250, 180, -1)]
HOVERED = "window.preimage && window.preimage.hover(cb_data.index.indices)"
CHOSEN = "window.preimage && window.preimage.choose(cb_obj.indices)"


IDS = re.compile(r'(?<=")(?:p\d{4,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=")')
"""Of models, which Bokeh counts over the whole process, and of elements, which it draws."""


def parts(points: Points, rows: np.ndarray) -> tuple[str, str]:
    """The plot as a <script> and the <div> that it draws in: the same for the same points. It holds no text
    of a user."""
    script, div = components(plot(points, rows))
    known = {each: f"p{number}" for number, each in enumerate(dict.fromkeys(IDS.findall(script + div)))}
    return IDS.sub(lambda found: known[found[0]], script), IDS.sub(lambda found: known[found[0]], div)


def plot(points: Points, rows: np.ndarray) -> figure:
    """The points in these rows (m,); where they are not all, above the density of all."""
    source = ColumnDataSource(
        {"x": points.xy[rows, 0], "y": points.xy[rows, 1], "color": ["#4477aa"] * len(rows)}, name=NAME
    )
    source.selected.js_on_change("indices", CustomJS(code=CHOSEN))
    made = figure(
        sizing_mode="stretch_both",
        min_height=420,
        match_aspect=True,
        output_backend="webgl",
        tools="pan,box_zoom,reset",
        toolbar_location="above",
        background_fill_color="#ffffff",
        border_fill_color="#ffffff",
        outline_line_color="#dddddd",
    )
    made.grid.visible = False
    made.axis.visible = points.method == "pca"
    if len(rows) < len(points):
        _draw_density(made, points)
    size = float(np.clip(220 / max(len(rows), 1) ** 0.5, 3, 9))
    dots = made.scatter(
        "x", "y", source=source, size=size, color="color", alpha=0.85, line_color=None,
        nonselection_alpha=0.25, nonselection_line_color=None, selection_line_color="#222222",
    )  # fmt: skip
    zoom, hover = WheelZoomTool(), HoverTool(tooltips=None, renderers=[dots])
    hover.callback = CustomJS(code=HOVERED)
    made.add_tools(zoom, hover, TapTool(renderers=[dots]), LassoSelectTool(renderers=[dots]))
    made.toolbar.active_scroll = zoom
    made.toolbar.logo = None
    return made


def _draw_density(made: figure, points: Points) -> None:
    """A grey picture of how many points lie where, on a scale of logarithms; where none lies, nothing."""
    x0, x1, y0, y1 = points.extent
    counts = np.log1p(density(points, *points.extent, bins=CELLS).astype(np.float32))
    levels = (counts / max(counts.max(), 1e-9) * (len(GREYS) - 1)).astype(np.uint8)
    made.image(
        [levels],
        x=x0,
        y=y0,
        dw=(x1 - x0) or 1,
        dh=(y1 - y0) or 1,
        palette=["#ffffff", *GREYS[1:]],
        level="image",
    )
