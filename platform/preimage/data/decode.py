"""Decode an image to uint8 pixels of one shape. No torch: this runs in many light processes."""

import io
import lzma
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps

from preimage.data.config import DataConfig
from preimage.data.source import Content

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""The formats to decode, whatever a file's name says; never those that run other programs."""

UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError,
    AttributeError, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow and zipfile raise for a damaged image."""

_ORIENTATION = 0x0112


def open_image(data: bytes) -> Image.Image:
    """An encoded image, not yet decoded. Raises one of UNREADABLE."""
    return Image.open(io.BytesIO(data), formats=FORMATS)


MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's, by the number of channels."""


def to_pixels(content: Content, config: DataConfig) -> np.ndarray:
    """Decode an image to uint8 of the config's shape, (C, H, W).

    First cut out the centre `crop` x `crop`; then resize the rest to cover H x W and keep the centre: one
    antialiased resampling of the largest centred box of that aspect does both. Raises one of UNREADABLE.
    """
    (channels, height, width), crop = config.shape, config.crop
    image = open_image(content) if isinstance(content, bytes) else Image.fromarray(content)
    if crop is None and image.format == "JPEG":
        enough = 4 * max(height, width)  # either way up: an orientation counts only after decoding
        image.draft("", (enough, enough))  # a large photograph at 1/2 to 1/8: 7 times faster at 12 MP
    image = _flatten(_upright(image), MODES[channels])
    box = _centre(image, height, width, crop)
    left, top, right, bottom = box
    if (right - left, bottom - top) != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    elif image.size != (width, height):
        image = image.crop((int(left), int(top), int(left) + width, int(top) + height))
    return np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)


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


def _flatten(image: Image.Image, mode: str) -> Image.Image:
    """With 8 bits per channel, and transparent parts on white unless the mode keeps them."""
    if image.mode == mode:
        image.load()
        return image
    if image.mode.startswith("I"):
        image = _from_16_bits(image)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range; save the image with 8 bits a channel")
    if mode != "RGBA" and ("A" in image.mode.replace("LAB", "") or "transparency" in image.info):
        colours = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), colours)
    return image.convert(mode)


def _from_16_bits(image: Image.Image) -> Image.Image:
    """From modes I and I;16, where 65535 is white."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("pixels of more than 16 bits; save the image with 8 bits a channel")
    return Image.fromarray((values // 257).astype(np.uint8))
