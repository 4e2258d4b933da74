"""Masks: which pixels of an image are observed (partial-measurements, section 3; precise-recovery).

A mask is an element-wise product, never a matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from preimage.data.decoding.decode import UNREADABLE, to_image
from preimage.errors import InversionError, StorageError
from preimage.random_streams import Stream, uniform
from preimage.storage.folder import Folder

if TYPE_CHECKING:
    from torch import Tensor

Half = Literal["top", "bottom", "left", "right"]
HALVES: tuple[Half, ...] = get_args(Half)
NAMED = ("all", "random", *HALVES)

Side = tuple[int, int]
"""The height and width of the (pooled) images."""


def count_of(rate: float | None, whole: int) -> int:
    """How many of `whole` a rate observes."""
    assert rate is not None
    return round(rate * whole)


def random_masks(rate: float | None, seed: int, ids: Tensor, side: Side) -> Tensor:
    """(n, 1, h, w) bool: round(rate * h * w) pixels of each image, from the seed and its id."""
    import torch

    drawn = uniform(Stream.MASKS.seed(seed), ids, 0, side[0] * side[1])
    chosen = drawn.argsort(dim=1, stable=True)[:, : count_of(rate, drawn.shape[1])]
    seen = torch.zeros_like(drawn, dtype=torch.bool).scatter_(1, chosen, True)
    return seen.view(len(ids), 1, *side)


def half(mask: str, rate: float | None, side: Side) -> np.ndarray:
    """(h, w) bool: a half from that side, or the fraction that the rate gives."""
    dim = 0 if mask in ("top", "bottom") else 1
    count = count_of(rate, side[dim])
    first = 0 if mask in ("top", "left") else side[dim] - count
    place = np.arange(side[dim])
    seen = (place >= first) & (place < first + count)
    return np.broadcast_to(seen[:, None] if dim == 0 else seen, side).copy()


def picture(path: str, side: Side) -> np.ndarray:
    """(h, w) bool: where the picture, laid on black, is brighter than half."""
    try:
        grey = to_image(read(path), "L", background="black")
    except UNREADABLE as error:
        raise InversionError(f"{path} is not a readable image: {error}") from error
    if grey.size != side[::-1]:
        raise InversionError(
            f"the mask {path} must have {side[0]} x {side[1]} pixels, as the (pooled) images do, but "
            f"has {grey.height} x {grey.width}"
        )
    return np.array(grey) > 127


def read(path: str) -> bytes:
    """A mask's file. Raises InversionError if there is none."""
    folder, slash, name = path.rpartition("/")
    try:
        return Folder.at(folder or slash or ".").read(name)
    except StorageError as error:
        names = ", ".join(NAMED)
        raise InversionError(f"no mask {path!r}: give one of {names}, or an image file ({error})") from error


def require_some(count: int, mask: str, rate: float | None, side: Side) -> None:
    """Raise InversionError if a mask observes no pixel."""
    if not count:
        at = "" if rate is None else f" at rate {rate:g}"
        raise InversionError(f"mask {mask}{at} observes none of the {side[0]} x {side[1]} pixels")
