"""Which arrays can be read as images."""

import math

import numpy as np

from preimage.data.decoding.decode import MODES
from preimage.data.sources.npy import StoredArray
from preimage.errors import DataError

_LOOKED_AT = 10_000_000
"""Values whose range a message gives."""


def image_axes(array: StoredArray, where: str) -> tuple[int, ...]:
    """The order of an image's axes that makes it (H, W) or (H, W, C). Raises DataError if that is unclear."""
    shape, where = array.shape, f"{where}: {array.text}"
    if array.dtype.hasobject:
        raise DataError(
            f"{where} holds Python objects, a pickle, which is never opened: save images of one shape as one "
            "array of uint8, and others as files (data.source=folder)"
        )
    if len(shape) not in (3, 4) or min(shape[1:]) == 0:
        raise DataError(f"{where}: images are (N, H, W), (N, H, W, C) or (N, C, H, W); reshape it")
    if len(shape) == 3:
        if shape[2] in (3, 4) or shape[0] in (3, 4):
            raise DataError(
                f"{where} may be one image or several: save it as (1, H, W, C) or as (N, H, W, 1)"
            )
        return 0, 1
    last, first = shape[3] in MODES, shape[1] in MODES
    if last == first:
        raise DataError(
            f"{where}: it is unclear which axis is that of 1, 3 or 4 channels: save it as (N, H, W, C)"
            if last
            else f"{where} has no axis of 1, 3 or 4 channels, first or last; save those to be shown"
        )
    return (0, 1, 2) if last else (1, 2, 0)


def require_integers(array: StoredArray, where: str) -> None:
    """Raise DataError for pixels that are neither uint8 nor uint16, with their range and what to do."""
    if array.dtype.newbyteorder("=") in (np.uint8, np.uint16):
        return
    if array.dtype.kind not in "biuf" or array.shape[0] == 0:
        raise DataError(f"{where}: {array.text} holds no pixels; they are uint8 or uint16")
    first = array.read()[: max(1, _LOOKED_AT // math.prod(array.shape[1:]))]
    low, high = first.min().item(), first.max().item()
    if low >= 0 and 1 < high <= 255:
        how = "x.round().astype('uint8')"
    elif low >= 0 and high <= 1:
        how = "(x * 255).round().astype('uint8')"
    elif low >= -1 and high <= 1:
        how = "((x + 1) * 127.5).round().astype('uint8')"
    else:
        how = "scale them to 0 to 255, then x.round().astype('uint8')"
    raise DataError(
        f"{where}: {array.text} goes from {low:g} to {high:g} in the first {len(first):,} images, and it is "
        f"unclear what is black and white: convert it to uint8 or uint16, as by {how}"
    )
