"""The size and shape of images: as a config says them, and as messages print them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from preimage.config import PositiveInt

Shape = tuple[int, int, int]
"""(C, H, W)."""

Channels = Literal[1, 3, 4]
"""Grey, RGB or RGBA."""


def _normalised(size: Any) -> int | tuple[int, int]:
    """The side of a square as it is; (height, width), or their one value where they are equal."""
    pair = isinstance(size, list | tuple)
    sides = tuple(size) if pair else (size, size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        got = f" but got {list(size)}" if pair else ""  # of one value the report itself says it
        raise ValueError(f"must be a side in pixels, or [height, width] such as [28, 40],{got}".rstrip(","))
    height, width = sides
    return height if height == width else (height, width)


ImageSize = Annotated[PositiveInt | tuple[PositiveInt, PositiveInt], BeforeValidator(_normalised)]
"""The side of square images in pixels, or (height, width)."""


def sides(size: ImageSize) -> tuple[int, int]:
    """(height, width)."""
    return (size, size) if isinstance(size, int) else size


def size_text(size: ImageSize) -> str:
    """As a spec or an override says it: `28` or `[28,40]`."""
    return str(size) if isinstance(size, int) else f"[{size[0]},{size[1]}]"


def shape_text(shape: Sequence[int]) -> str:
    """`3 x 28 x 40`."""
    return " x ".join(map(str, shape))


def settings_text(shape: Shape, key: str = "data") -> str:
    """The settings that give images of a shape: `data.channels=3 data.size=[28,40]`."""
    channels, height, width = shape
    return f"{key}.channels={channels} {key}.size={size_text(_normalised((height, width)))}"
