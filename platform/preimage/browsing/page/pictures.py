"""Images and reconstructions of codes, as far as there are any."""

from dataclasses import dataclass

import numpy as np

from preimage.browsing.page.html import picture
from preimage.browsing.page.session import Browsing
from preimage.browsing.thumbnails import png


@dataclass(frozen=True, eq=False)
class Pairs:
    """What is known of some codes.

    images, reconstructions: (n, H, W, C) uint8, or None.
    """

    ids: np.ndarray
    images: np.ndarray | None
    reconstructions: np.ndarray | None

    @property
    def shown(self) -> np.ndarray | None:
        """The originals, or what the generator makes of the codes."""
        return self.reconstructions if self.images is None else self.images


def pairs(browsing: Browsing, ids: np.ndarray, both: bool = True) -> Pairs:
    """Images and reconstructions of image ids (n,). both: also decode where there are originals."""
    subject = browsing.subject
    images = subject.pixels.images(ids) if subject.pixels else None
    made = None
    if browsing.decoder and (both or images is None):
        found = subject.codes_of(ids)
        made = browsing.decoder.images(found.z.numpy(), found.label.numpy())
    return Pairs(ids, images, made)


def png_of(browsing: Browsing, kind: str, place: int) -> bytes:
    """What hovering shows of the point at a place. Raises LookupError if there is none."""
    if not 0 <= place < len(browsing.points):
        raise LookupError(place)
    ids = browsing.points.ids[place : place + 1]
    found = pairs(browsing, ids, both=kind == "reconstruction")
    image = found.images if kind == "image" else found.reconstructions
    if image is None:
        raise LookupError(kind)
    return png(image[0])


def thumbnails(found: Pairs, captions: list[str] | None = None, size: str = "thumb") -> list[str]:
    """Images that a click picks."""
    below = captions or [""] * len(found.ids)
    if found.shown is None:
        return [f'<span data-do="pick:{each}">image {each}</span>' for each in found.ids]
    return [
        picture(image, caption, f"pick:{each}", "click to pick", size)
        for image, caption, each in zip(found.shown, below, found.ids, strict=True)
    ]
