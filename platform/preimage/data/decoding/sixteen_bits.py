"""Images of 16 bits a channel: their values as stored, their scale to 8 bits, and what to say of them."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL.ImageFile import ImageFile

WHITE = 65_535
"""The value of white, unless the file or the user states another."""

_SMALLEST_PART = 8  # an image that uses less than an eighth of its range is said to be dark
_USUAL_BITS = (8, 10, 12, 14)  # of cameras and scanners

_GREY_AND_ALPHA = "LA;16B"
_OTHER_THAN_NATIVE = "B" if sys.byteorder == "little" else "L"
_LOW_BYTES = {
    f"{bands};16{order}": f"{bands};16{other}"
    for bands in ("RGB", "RGBA", "RGBX")
    for order, other in (("L", "B"), ("B", "L"), ("N", _OTHER_THAN_NATIVE))
}
"""Pillow keeps the high byte of 16-bit colours: read in the other byte order, it is the low one."""


@dataclass
class Levels:
    """Counts of the 16-bit images that were read."""

    images: int = 0
    dark: int = 0
    """Those that use less than an eighth of their range."""
    dark_max: int = 0
    """The largest value in these."""
    clipped: int = 0
    """Those with values above white."""
    clipped_max: int = 0

    def count(self, values: np.ndarray, white: int) -> None:
        """Count one more image."""
        largest = int(values.max(initial=0))
        self.images += 1
        if 0 < largest * _SMALLEST_PART < white:
            self.dark, self.dark_max = self.dark + 1, max(self.dark_max, largest)
        if largest > white:
            self.clipped, self.clipped_max = self.clipped + 1, max(self.clipped_max, largest)

    def warnings(self, white: int | None) -> list[str]:
        """What to tell a user whose `data.white` this is, a sentence each."""
        said = []
        if self.dark:
            bits = next(bits for bits in _USUAL_BITS if self.dark_max < 2**bits)
            said.append(
                f"{self.dark:,} of {self.images:,} 16-bit images use at most {self.dark_max:,} of "
                f"{white or WHITE:,}: if they hold {bits}-bit values, set data.white={2**bits - 1}"
            )
        if self.clipped:
            said.append(
                f"{self.clipped:,} of {self.images:,} 16-bit images have values above data.white={white}, up "
                f"to {self.clipped_max:,}, which become white"
            )
        return said


def total(levels: Iterable[Levels]) -> Levels:
    """The counts of several shards together."""
    result = Levels()
    for each in levels:
        result.images += each.images
        result.dark += each.dark
        result.dark_max = max(result.dark_max, each.dark_max)
        result.clipped += each.clipped
        result.clipped_max = max(result.clipped_max, each.clipped_max)
    return result


def to_8_bits(values: np.ndarray, white: int) -> np.ndarray:
    """uint16 values of any shape to uint8: 0 stays, `white` and above becomes 255; rounded."""
    clipped = np.minimum(values, white).astype(np.uint32)
    return ((clipped * 510 + white) // (2 * white)).astype(np.uint8)


def raw_mode(image: ImageFile) -> str:
    """How an image that is not decoded yet is stored, in Pillow's words, such as RGB;16B."""
    args = image.tile[0].args if image.tile else ""
    return str(args[0] if isinstance(args, tuple) and args else args or "")


def stated_white(image: ImageFile) -> int | None:
    """The value of white that the file of an image not yet decoded states, or None."""
    if raw_mode(image) == "I;12":
        return 4095
    scaled = image.format == "JPEG2000" or (image.tile and image.tile[0].codec_name.startswith("ppm"))
    return WHITE if scaled else None  # Pillow scales them by the largest value that the file states


def stored_values(image: ImageFile, reopen: Callable[[], ImageFile]) -> np.ndarray | None:
    """(H, W, C) uint16 as stored; C is 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha. None if the
    image has not 16 bits.

    The image is not decoded yet; `reopen` opens the same file once more.
    """
    raw = raw_mode(image)
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.uint16)[..., None]
    elif raw == _GREY_AND_ALPHA:  # 4 bytes a pixel, as RGBA has
        values = _read_as(reopen(), "RGBA").view(">u2").astype(np.uint16)
    elif raw in _LOW_BYTES:
        low = _read_as(reopen(), _LOW_BYTES[raw])
        values = np.asarray(image).astype(np.uint16) << 8 | low
    else:
        return None
    transparent = image.info.get("transparency")
    if transparent is None:
        return values
    opaque = (values != np.array(transparent)).any(axis=2, keepdims=True)
    return np.concatenate([values, np.where(opaque, WHITE, 0).astype(np.uint16)], axis=2)


def _read_as(image: ImageFile, raw: str) -> np.ndarray:
    """The bytes of an opened image, (H, W, C) uint8, as if it were stored in this raw mode."""
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
        for tile in image.tile
    ]
    return np.asarray(image)
