"""What Pillow reads wrongly: refused, or set right."""

from PIL.ImageFile import ImageFile

from preimage.data.decoding.sixteen_bits import raw_mode

_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339  # tags of TIFF
_SIZ = b"\xff\x4f\xff\x51"  # the start of JPEG 2000's code stream
_TO_PRECISION = 42  # from there

_GREY_STEP = {"L;2": 85, "L;4": 17}
"""From values of 2 and 4 bits to 8."""


def refuse_misread(image: ImageFile, data: bytes) -> None:
    """Raise ValueError for an opened image whose pixels have no range, or that Pillow would read wrongly."""
    remedy = "save the image with 8 bits a channel"
    if image.mode == "F":
        raise ValueError(f"floating-point pixels have no fixed range; {remedy}")
    if image.format == "TIFF" and any(kind == 2 for kind in _tag(image, _SAMPLE_FORMAT)):
        raise ValueError(f"signed pixels have no fixed black; {remedy}")
    if image.mode == "I" and image.format != "PPM":
        raise ValueError(f"32-bit pixels have no fixed white; {remedy}, or with 16")
    if image.format == "TIFF" and 2 in _tag(image, _PLANES) and 16 in _tag(image, _BITS_PER_SAMPLE):
        raise ValueError(f"separate planes of 16 bits cannot be read; interleave the channels, or {remedy}")
    if image.format == "JPEG2000" and image.mode[0] != "I" and _precision(data) > 8:
        raise ValueError(f"JPEG 2000 of more than 8 bits can be read in grey only; {remedy}")


def is_min_white(image: ImageFile) -> bool:
    """Whether 0 is white and Pillow leaves it so: a 16-bit TIFF."""
    return image.format == "TIFF" and image.mode.startswith("I") and _tag(image, _PHOTOMETRIC) == (0,)


def set_transparency_right(image: ImageFile) -> None:
    """Give the transparent value of a grey PNG of 2 or 4 bits in 8 bits, as its pixels are. For an image that
    is not decoded yet."""
    step = _GREY_STEP.get(raw_mode(image))
    if step and image.format == "PNG" and "transparency" in image.info:
        image.info["transparency"] *= step


def _tag(image: ImageFile, tag: int) -> tuple[int, ...]:
    """The values of a TIFF's tag."""
    value = getattr(image, "tag_v2", {}).get(tag, ())
    return value if isinstance(value, tuple) else (value,)


def _precision(data: bytes) -> int:
    """Bits of the first component of a JPEG 2000 image."""
    place = data.find(_SIZ) + _TO_PRECISION
    return (data[place] & 0x7F) + 1
