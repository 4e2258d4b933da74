"""Decode an image to uint8 pixels of one shape: one road for every picture that is read.

No torch: this runs in many light processes.
"""

import io
import lzma
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from preimage.data.config import DataConfig
from preimage.data.decoding.misread import is_min_white, refuse_misread, set_transparency_right
from preimage.data.decoding.sixteen_bits import (
    WHITE,
    Levels,
    raw_mode,
    stated_white,
    stored_values,
    to_8_bits,
)
from preimage.data.sources.base import Content

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""The formats to decode, whatever a file's name says; never those that run other programs."""

UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError,
    AttributeError, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow and zipfile raise for a damaged image."""

_ORIENTATION = 0x0112
_WITH_ALPHA = ("LA", "PA", "RGBA", "RGBa")


def open_image(data: bytes) -> ImageFile:
    """An encoded image, not yet decoded. Raises one of UNREADABLE."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:  # Pillow's text has an address in memory
        raise ValueError(
            f"cannot identify an image of {', '.join(FORMATS)}, or it is of a rare kind"
        ) from error


MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's, by the number of channels."""

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


def to_pixels(content: Content, config: DataConfig, levels: Levels | None = None) -> np.ndarray:
    """An encoded image, or an array (H, W) or (H, W, C), as uint8 of shape `config.shape`, (C, H, W).

    First cut out the centre `crop` x `crop`; then resize the rest to cover H x W and keep the centre: one
    antialiased resampling of the largest centred box of that aspect does both. `levels` counts images of 16
    bits. Raises one of UNREADABLE.
    """
    channels, height, width = config.shape
    # Either way up: an orientation counts only after decoding. A box has its edges on the file's own pixels.
    enough = None if config.crop or config.resample == "box" else 4 * max(height, width)
    image = to_image(content, MODES[channels], white=config.white, levels=levels, enough=enough)
    box = _centre(image, height, width, config.crop)
    left, top, right, bottom = box
    if (right - left, bottom - top) != (width, height):
        image = image.resize((width, height), _FILTERS[config.resample], box=box)
    elif image.size != (width, height):
        image = image.crop((int(left), int(top), int(left) + width, int(top) + height))
    return np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)


def to_image(
    content: Content,
    mode: str,
    *,
    background: str = "white",
    white: int | None = None,
    levels: Levels | None = None,
    enough: int | None = None,
) -> Image.Image:
    """Decode to Pillow's mode L, RGB or RGBA, upright. L and RGB show transparent parts on the background.

    A JPEG may be decoded at 1/2 to 1/8 of its size, but with sides of `enough` pixels at least. Raises one of
    UNREADABLE.
    """
    if isinstance(content, np.ndarray):
        image = _from_array(content, white, levels)
    else:
        image = _from_file(content, white, levels, enough)
    return _flatten(image, mode, background)


def _from_file(data: bytes, white: int | None, levels: Levels | None, enough: int | None) -> Image.Image:
    image = open_image(data)
    refuse_misread(image, data)
    if enough and image.format == "JPEG":
        image.draft("", (enough, enough))  # a large photograph: 7 times faster at 12 MP
    set_transparency_right(image)
    raw, stated, min_is_white = raw_mode(image), stated_white(image), is_min_white(image)
    values = stored_values(image, lambda: open_image(data))
    if values is None:
        if white is not None and ";16" in raw:
            raise ValueError(f"data.white does not apply to 16-bit pixels of kind {raw}: save them as RGB")
        return _upright(image)
    pixels = _scaled(values, stated or white, None if stated else levels)
    result = _as_image(255 - pixels if min_is_white else pixels)
    result.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return _upright(result)


def _from_array(array: np.ndarray, white: int | None, levels: Levels | None) -> Image.Image:
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] > 4):
        raise ValueError(
            f"an array of shape {array.shape} is no image: it needs (H, W), or (H, W, C) with 1 to 4 channels"
        )
    if array.dtype == np.bool_:
        array = np.where(array, 255, 0).astype(np.uint8)
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = _scaled(array, white, levels)
    elif array.dtype != np.uint8:
        raise ValueError(
            f"{array.dtype} pixels have no fixed range; convert the array to uint8 (0 to 255) or uint16"
        )
    return _as_image(array)


def _scaled(values: np.ndarray, white: int | None, levels: Levels | None) -> np.ndarray:
    """uint8 of 16-bit values (H, W) or (H, W, C)."""
    if levels is not None:
        has_alpha = values.ndim == 3 and values.shape[2] in (2, 4)
        levels.count(values[..., :-1] if has_alpha else values, white or WHITE)
    return to_8_bits(values, white or WHITE)


def _as_image(pixels: np.ndarray) -> Image.Image:
    """Of uint8 (H, W) or (H, W, C)."""
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels))


def _centre(
    image: Image.Image, height: int, width: int, crop: int | None
) -> tuple[float, float, float, float]:
    """The largest box (left, top, right, bottom) in the middle of an image, or of its centre `crop` x `crop`,
    with the aspect of height x width."""
    across, down = image.size
    if crop:
        across = down = min(across, down, crop)
    if across * height <= down * width:
        box = across, across * height / width
    else:
        box = down * width / height, down
    left, top = (image.width - box[0]) / 2, (image.height - box[1]) / 2
    return left, top, left + box[0], top + box[1]


def _upright(image: Image.Image) -> Image.Image:
    """Rotated as its EXIF orientation says."""
    return ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) != 1 else image


def _flatten(image: Image.Image, mode: str, background: str) -> Image.Image:
    """In this mode; transparent parts on the background unless the mode keeps them."""
    transparent = image.mode in _WITH_ALPHA or "transparency" in image.info
    if transparent and mode != "RGBA":
        colours = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), colours)
    if image.mode != mode or transparent:
        return image.convert(mode)
    image.load()
    return image
