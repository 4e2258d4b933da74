"""Which images a DCGAN's convolutions can make: those that doublings of a small first map reach."""

from itertools import product
from typing import Annotated

from pydantic import AfterValidator

from preimage.data.image_shape import ImageSize, Shape, sides, size_text

SMALLEST = 4
"""The least side of the first map, whose shorter side is less than twice as long."""
FEWEST = 2
"""Doublings of a generator at least: two layers or more."""


def doublings(size: ImageSize, key: str = "image_size") -> int:
    """How often a DCGAN doubles its first map to get an image of this size: as often as the image's shorter
    side halves and stays at least SMALLEST.

    Raises ValueError, with the nearest sizes that work, if the image has not as many halvings, or fewer than
    FEWEST. key: what the message calls the size.
    """
    height, width = sides(size)
    count = (min(height, width) // SMALLEST).bit_length() - 1
    if count < FEWEST or height % 2**count or width % 2**count:
        near = " and ".join(map(size_text, _nearest(height, width)))
        raise ValueError(
            f"{key}={size_text(size)} does not suit a DCGAN, which doubles a first map, its shorter side "
            f"{SMALLEST} to {2 * SMALLEST - 1} pixels, at least {FEWEST} times: the nearest that do "
            f"are {near}"
        )
    return count


def maps_of(shape: Shape, width: int) -> tuple[tuple[int, int], list[int]]:
    """The smallest maps' (h, w), and the filters of each feature map from images (C, H, W) inwards.

    width: the filters next to the image. Raises ValueError as `doublings` does.
    """
    _, *size = shape
    count = doublings((size[0], size[1]))
    return (size[0] >> count, size[1] >> count), [width * 2**i for i in range(count)]


def _check(size: ImageSize) -> ImageSize:
    doublings(size)
    return size


DcganSize = Annotated[ImageSize, AfterValidator(_check)]
"""The side of square images, or (height, width), that a DCGAN can make."""


def _nearest(height: int, width: int) -> list[ImageSize]:
    """The two nearest sizes that work: of squares the next smaller and the next larger, if there is one."""
    most = (min(height, width) // SMALLEST).bit_length()
    found: set[tuple[int, int]] = set()
    for step in (2**count for count in range(FEWEST, max(most, FEWEST) + 1)):
        first = (max(side // step, SMALLEST) for side in (height, width))
        for h, w in product(*((count, count + 1) for count in first)):
            if min(h, w) < 2 * SMALLEST and (h == w or height != width):
                found.add((h * step, w * step))
    near = sorted(found, key=lambda size: (abs(size[0] - height) + abs(size[1] - width), size))[:2]
    return [h if h == w else (h, w) for h, w in sorted(near)]
