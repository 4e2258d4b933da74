"""How much is measured of a generator before the first search: little for one image, more for many."""

from typing import NamedTuple


class SetupSize(NamedTuple):
    """With the seed it determines the setup, and so the codes found."""

    pairs: int
    """Codes whose images the starts' regressions are fitted to."""
    gradients: int
    """Of these, the codes at which it is measured how the images change, evenly among them: pairs is a
    multiple of it, and it is one of 32."""


LEAST, MOST, MOST_GRADIENTS = 128, 4096, 1024
PER_IMAGE = 32
"""Pairs for each image, so that the setup takes about as long as the searches at most."""


def setup_size(images: int | None) -> SetupSize:
    """For this number of images in all, never of a part, so that all parts of a dataset agree; None: many."""
    wanted = MOST if images is None else min(MOST, max(LEAST, PER_IMAGE * images))
    pairs = 1 << (wanted - 1).bit_length()
    return SetupSize(pairs, min(pairs, MOST_GRADIENTS))
