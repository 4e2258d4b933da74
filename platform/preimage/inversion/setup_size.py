"""How much is measured of a generator before the first search: little for one image, more for many."""

from typing import NamedTuple

LEAST, MOST = 128, 4096
PER_IMAGE = 8
"""Pairs for each image: about a fifth of the generator evaluations that its search takes."""
PER_COMPONENT = 8
"""Gradients for each component of a code, beyond which more are of no use."""


class SetupSize(NamedTuple):
    """With the seed it determines the setup, and so the codes found."""

    pairs: int
    """Codes whose images the starts' regressions are fitted to."""
    gradients: int
    """Of these, the codes at which it is measured how the images change. Both are powers of two, and at least
    LEAST unless there are none."""


def setup_size(images: int | None, dim: int, init_codes: str) -> SetupSize:
    """For codes of dim components, and this number of images in all, never of a part, so that all parts of a
    dataset agree; None: many. A cascade takes the most: from starts of a smaller one, few images' codes are
    not recovered exactly."""
    wanted = MOST if images is None or init_codes == "cascade" else PER_IMAGE * images
    pairs = _power(min(MOST, wanted))
    return SetupSize(pairs, min(pairs, _power(PER_COMPONENT * dim)))


def _power(least: int) -> int:
    """The next power of two, from LEAST on."""
    return 1 << (max(LEAST, least) - 1).bit_length()
