"""Images and texts as HTML."""

from collections.abc import Sequence
from html import escape

import numpy as np

from preimage.browsing.thumbnails import data_uri


def picture(image: np.ndarray, caption: str = "", do: str = "", title: str = "", size: str = "thumb") -> str:
    """An image with a caption below. do: what a click asks the page for. size: a class of the page's CSS."""
    asks = f' data-do="{escape(do)}" role="button" tabindex="0"' if do else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    tip = f' title="{escape(title)}"' if title else ""
    return f'<figure class="{size}"{asks}{tip}><img src="{data_uri(image)}" alt="">{below}</figure>'


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


def number(value: float, digits: int = 3) -> str:
    """A number as one reads it."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
