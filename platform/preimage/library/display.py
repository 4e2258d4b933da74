"""How results show themselves in a notebook."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from torch import Tensor

from preimage.data.image_shape import shape_text
from preimage.figures.grids import grid_png

UNIT, SIGNED, BYTES = (0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)
"""The ranges that pixel values usually have."""
Range = tuple[float, float]


class Picture(bytes):
    """The bytes of a PNG, which shows itself in a notebook."""

    def save(self, path: str | Path) -> None:
        """Write it as a file."""
        Path(path).write_bytes(self)

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def __repr__(self) -> str:
        return f"<PNG of {len(self):,} bytes>"


@dataclass(frozen=True, eq=False)
class Generated:
    """Images that a generator made from codes; in a notebook, a grid."""

    images: Tensor
    """(n, C, H, W) float32, on the CPU."""
    codes: Tensor
    """(n, d) float32, on the CPU."""
    value_range: Range
    """What the values of the images are shown as black and white at."""

    def _repr_png_(self) -> bytes:
        return grid_png(signed(self.images, self.value_range), min(len(self.images), 8))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"<{len(self)} generated images of {shape_text(self.images.shape[1:])}>"


def signed(images: Tensor, value_range: Range) -> Tensor:
    """Images as values in [-1, 1], as figures take them; a value that is not finite becomes grey."""
    low, high = value_range
    return ((images - low) * (2 / (high - low)) - 1).nan_to_num(0, 1, -1)


def picture_html(png: bytes, title: str = "") -> str:
    """A PNG within a page."""
    return f'<img alt="{escape(title)}" title="{escape(title)}" src="data:image/png;base64,{_base64(png)}">'


def table_html(rows: Mapping[str, object]) -> str:
    """Names and values, one pair per line; numbers of four digits."""
    lines = (
        f"<tr><td>{escape(key)}</td><td>{escape(_short(value))}</td></tr>" for key, value in rows.items()
    )
    return f"<table>{''.join(lines)}</table>"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
