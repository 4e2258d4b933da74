"""Images and texts as HTML."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image


def png(image: np.ndarray) -> bytes:
    """image: (H, W, C) uint8 of one, three or four channels."""
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def source_of(image: np.ndarray) -> str:
    """An image (H, W, C) uint8 as the address that holds it."""
    return f"data:image/png;base64,{b64encode(png(image)).decode()}"


def picture(image: np.ndarray, caption: str = "", do: str = "", title: str = "", size: str = "thumb") -> str:
    """An image with a caption below. do: what a click asks the page for. size: a class of the page's CSS."""
    asks = f' data-do="{escape(do)}" role="button" tabindex="0"' if do else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    tip = f' title="{escape(title)}"' if title else ""
    return f'<figure class="{size}"{asks}{tip}><img src="{source_of(image)}" alt="">{below}</figure>'


def blank(caption: str, size: str = "thumb") -> str:
    """A place where an image will be."""
    return f'<figure class="{size} blank"><div></div><figcaption>{escape(caption)}</figcaption></figure>'


def strip(pictures: Sequence[str], title: str = "") -> str:
    """Pictures in a row that wraps."""
    head = f"<h4>{escape(title)}</h4>" if title else ""
    return f'{head}<div class="strip">{"".join(pictures)}</div>'


def note(text: str, kind: str = "hint") -> str:
    """A sentence. kind: hint, busy or wrong."""
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""


def number(value: float) -> str:
    """A number as one reads it: three digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
