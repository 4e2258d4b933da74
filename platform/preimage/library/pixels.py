"""Images as a user has them: their type, shape and range, against what the generator makes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from preimage.data.image_shape import shape_text
from preimage.errors import InversionError
from preimage.library.display import BYTES, SIGNED, UNIT, Range

SLACK = 0.05
"""How far values may leave [0, 1] or [-1, 1]: resizing overshoots."""
DARK = -0.5
"""Values in [-1, 1] reach below, and those in [0, 1] do not."""
BRIGHT = 2.0
"""Values in [0, 255] reach above, and others do not."""
CONVERSIONS: dict[tuple[Range, Range], str] = {
    (UNIT, SIGNED): "images * 2 - 1",
    (SIGNED, UNIT): "(images + 1) / 2",
    (BYTES, SIGNED): "images / 127.5 - 1",
    (BYTES, UNIT): "images / 255",
    (UNIT, BYTES): "images * 255",
    (SIGNED, BYTES): "(images + 1) * 127.5",
}
"""From the images' range to the generator's."""


def range_of(values: Tensor) -> Range | None:
    """Which of the usual ranges some values have, as far as their extremes tell."""
    low, high = _extremes(values)
    if low >= -SLACK and high <= 1 + SLACK and (low >= 0 or high > 0.5):
        return UNIT
    if -1 - SLACK <= low < DARK and high <= 1 + SLACK:
        return SIGNED
    return BYTES if low >= -SLACK and BRIGHT < high <= 256 else None


def as_tensor(images: Any, wanted: Range | None) -> Tensor:
    """Images as a float32 tensor, a copy that takes no gradients; wanted: the generator's range.

    Raises InversionError for integers, such as uint8, and for anything but a tensor or an array.
    """
    is_array = isinstance(images, np.ndarray)
    if not (is_array or isinstance(images, Tensor)):
        raise InversionError(
            f"images are a tensor or a numpy array (n, C, H, W), but these are a {type(images).__name__}"
        )
    kind = str(images.dtype).removeprefix("torch.")
    if kind == "uint8":
        raise InversionError(f"images are uint8 in [0, 255]: convert them with {_to_float(is_array, wanted)}")
    if not kind.startswith(("float", "bfloat")):
        raise InversionError(f"images are {kind}: pass float32 values in the range of the generator's images")
    if is_array:
        return torch.from_numpy(np.array(images, np.float32))
    return images.detach().to(torch.float32, copy=True)


def require_shape(images: Any, shape: tuple[int, ...]) -> None:
    """Raise InversionError unless images (n, C, H, W) have the shape (C, H, W); say what would fit."""
    found = tuple(images.shape)
    if found[1:] == shape and len(found) == 4:
        return
    channels, height, width = shape
    changes = {
        (
            height,
            width,
            channels,
        ): f"images.{'permute' if isinstance(images, Tensor) else 'transpose'}(0, 3, 1, 2)",
        (channels * height * width,): f"images.reshape(-1, {channels}, {height}, {width})",
    }
    if channels == 1:
        changes[height, width] = "images[:, None]"
    change = "images[None]" if found == shape else changes.get(found[1:])
    advice = f"pass {change}" if change else "resize or crop them"
    raise InversionError(
        f"images have the shape {found}, but the generator makes {shape_text(shape)}, so they must be "
        f"(n, C, H, W) = (n, {channels}, {height}, {width}): {advice}"
    )


def require_range(images: Tensor, made: Tensor) -> None:
    """Raise InversionError if images have another range than those of the prior's codes; name both ranges."""
    (low, high), wanted, found = _extremes(images), range_of(made), range_of(images)
    if low == high:  # which tells nothing
        return
    conversion = CONVERSIONS.get((found, wanted)) if found and wanted else None
    if wanted is None and found == BYTES and high > 4 * made.abs().max():
        conversion = CONVERSIONS[BYTES, SIGNED]
    if conversion:
        raise InversionError(f"{_ranges(images, made)}: pass {conversion}{_UNLESS}")
    if wanted and max(wanted[0] - low, high - wanted[1]) > (wanted[1] - wanted[0]) / 2:
        raise InversionError(
            f"{_ranges(images, made)}: scale them to [{wanted[0]:g}, {wanted[1]:g}]{_UNLESS}"
        )


_UNLESS = " (or check_range=False if they are right as they are)"


def _ranges(images: Tensor, made: Tensor) -> str:
    (low, high), (least, most) = _extremes(images), _extremes(made)
    return (
        f"images have values in [{low:.3g}, {high:.3g}], but the generator makes values in "
        f"[{round(least, 3):g}, {round(most, 3):g}] at {len(made)} draws of the prior"
    )


def _extremes(values: Tensor) -> Range:
    """The smallest and the largest of the finite values; 0 without any."""
    finite = values[values.isfinite()]
    low, high = finite.aminmax() if len(finite) else (torch.zeros(()), torch.zeros(()))
    return low.item(), high.item()


def _to_float(is_array: bool, wanted: Range | None) -> str:
    floats = "images.astype('float32')" if is_array else "images.float()"
    signed = f"{floats} / 127.5 - 1" if is_array else "preimage.to_float(images)"
    unit = f"{floats} / 255"
    ways = {UNIT: unit, SIGNED: signed, BYTES: floats}
    return ways[wanted] if wanted else f"{signed} for a generator in [-1, 1], or {unit} for one in [0, 1]"
