"""How the pictures of the pages look, and how they are saved: small, and the same bytes each time."""

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

INK = "#23304f"
TARGET = "#23304f"
MISS = "#c2541d"
CODES = "viridis"
COLOURS = ("#c2541d", "#2a7f9e")
PER_INCH = 130


def new_figure(width: float, height: float) -> Figure:
    """A white figure of this many inches."""
    mpl.rcParams.update({"font.size": 11, "text.color": INK, "axes.labelcolor": INK, "figure.dpi": PER_INCH})
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def bare(axes: Axes, title: str, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Axes without ticks and frame."""
    axes.set(xlim=x, ylim=y, xticks=[], yticks=[])
    axes.set_title(title, fontsize=12, color=INK)
    for side in axes.spines.values():
        side.set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG of at most 256 colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=PER_INCH, bbox_inches="tight", pad_inches=0.1)
    picture = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
