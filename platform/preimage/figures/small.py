"""A picture in a size that fits a page."""

import io

from PIL import Image

WIDEST = 640
"""Pixels."""


def small_png(png: bytes) -> bytes:
    """A PNG at most `WIDEST` pixels wide; as it is if it fits."""
    picture = Image.open(io.BytesIO(png))
    if picture.width <= WIDEST:
        return png
    height = max(1, round(picture.height * WIDEST / picture.width))
    stream = io.BytesIO()
    picture.convert("RGB").resize((WIDEST, height), Image.Resampling.LANCZOS).save(stream, "png")
    return stream.getvalue()
