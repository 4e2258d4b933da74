"""What an inversion sees of an image: pooled, masked, noisy (partial-measurements, eq. 3; precise-recovery).

A mask is an element-wise product, never a matrix. Random masks and noise depend only on the seed and an
image's id, so they are the same in any batch, in any order and on any worker.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from preimage.config import Config, PositiveInt
from preimage.data.decoding.decode import UNREADABLE, to_image
from preimage.data.image_shape import Shape, shape_text
from preimage.errors import InversionError, StorageError
from preimage.random_streams import Stream, normal, uniform
from preimage.storage.folder import Folder, digest

Half = Literal["top", "bottom", "left", "right"]
HALVES: tuple[Half, ...] = get_args(Half)
NAMED = ("all", "random", *HALVES)


class MeasurementConfig(Config):
    """What is observed of every image; by default all of it."""

    mask: str = "all"
    """`all`; `random` pixels, different for every image; the `top`, `bottom`, `left` or `right` part; or an
    image file as large as the (pooled) images: its pixels brighter than half are observed, transparent ones
    are hidden."""
    rate: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    """The observed share: of the pixels for `random`, of the rows or columns for a half (default 0.5)."""
    pool: PositiveInt = 1
    """Average over squares of this many pixels a side, before the mask: a lower resolution."""
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Variance of the Gaussian noise added to the observed pixels."""
    mask_sha256: str | None = None
    """SHA-256 of the mask's file. It is filled in: another picture under the same name is another run."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        """Fill in a half's rate and a file's digest: equal measurements have equal configs."""
        mask = values.get("mask", "all") if isinstance(values, dict) else "all"
        if mask in HALVES and values.get("rate") is None:
            return values | {"rate": 0.5}
        if not isinstance(mask, str) or mask in NAMED:
            return values
        try:
            now = digest(_read(mask))
        except InversionError as error:
            raise ValueError(str(error)) from error
        if values.get("mask_sha256") not in (None, now):
            raise ValueError(f"{mask} does not match mask_sha256: remove mask_sha256 to use the file")
        return values | {"mask_sha256": now}

    @model_validator(mode="after")
    def _rate_fits_mask(self) -> "MeasurementConfig":
        if self.mask == "random" and self.rate is None:
            raise ValueError("mask=random needs a rate, the fraction of observed pixels, such as 0.5")
        if self.mask not in ("random", *HALVES) and self.rate is not None:
            raise ValueError(f"rate applies to mask=random and halves only, not to {self.mask!r}: remove it")
        if self.mask in NAMED and self.mask_sha256 is not None:
            raise ValueError(f"mask_sha256 applies to a mask's file only, not to {self.mask!r}: remove it")
        return self


@dataclass(frozen=True)
class Measurement:
    """A measurement of images of one shape, created by `make_measurement`. Workers receive it unchanged."""

    shape: Shape
    """The images' shape, (C, H, W)."""
    config: MeasurementConfig
    seed: int = 0
    fixed: Tensor | None = field(default=None, compare=False, repr=False)
    """(1, 1, h, w) bool: the mask of every image; None if all is observed, or masks are random."""

    @property
    def reduced(self) -> Shape:
        """The shape of an observation, (C, h, w)."""
        channels, height, width = self.shape
        return channels, height // self.config.pool, width // self.config.pool

    def reduce(self, images: Tensor) -> Tensor:
        """Images (n, C, H, W), average-pooled: (n, C, h, w). Images already of that size are unchanged.

        Raises InversionError for images of another shape.
        """
        if tuple(images.shape[1:]) == self.reduced:
            return images
        if tuple(images.shape[1:]) != self.shape:
            raise InversionError(
                f"the measurement is of {shape_text(self.shape)} images "
                f"but got {shape_text(images.shape[1:])}"
            )
        return F.avg_pool2d(images, self.config.pool)

    def masks(self, ids: Tensor) -> Tensor | None:
        """(n, 1, h, w) float32, 1 where the image with that id is observed, else 0; None if all is observed.

        ids: (n,) int64. Random masks show round(rate * h * w) pixels; a lower rate shows a subset of them.
        """
        seen = self._seen(ids)
        return None if seen is None else seen.float()

    def observe(self, images: Tensor, ids: Tensor) -> Tensor:
        """What is observed of images (n, C, H, W) with these ids (n,): (n, C, h, w), zero where hidden.

        Hidden pixels may be anything, even NaN. Raises InversionError as `reduce` does.
        """
        observed = self.reduce(images)
        if self.config.noise:
            count = observed[0].numel() if len(observed) else 0
            noise = normal(Stream.MEASUREMENT_NOISE.seed(self.seed), ids, 0, count).view(observed.shape)
            observed = observed + self.config.noise**0.5 * noise
        seen = self._seen(ids)
        return observed if seen is None else torch.where(seen, observed, 0.0)

    def _seen(self, ids: Tensor) -> Tensor | None:
        """The masks as bool."""
        if self.config.mask == "random":
            return self._random(ids)
        return None if self.fixed is None else self.fixed.to(ids.device).expand(len(ids), -1, -1, -1)

    def _random(self, ids: Tensor) -> Tensor:
        _, height, width = self.reduced
        drawn = uniform(Stream.MASKS.seed(self.seed), ids, 0, height * width)
        chosen = drawn.argsort(dim=1, stable=True)[:, : _count(self.config.rate, height * width)]
        seen = torch.zeros_like(drawn, dtype=torch.bool).scatter_(1, chosen, True)
        return seen.view(len(ids), 1, height, width)


def make_measurement(config: MeasurementConfig, shape: Shape, seed: int = 0) -> Measurement:
    """The measurement of images (C, H, W) that a config describes.

    Raises InversionError if it does not fit them or observes none of their pixels.
    """
    _, height, width = shape
    if height % config.pool or width % config.pool:
        raise InversionError(f"pool {config.pool} does not divide images of {height} x {width} pixels")
    side = height // config.pool, width // config.pool
    if config.mask == "random":
        _require_some(_count(config.rate, side[0] * side[1]), config, side)
        return Measurement(shape, config, seed)
    if config.mask == "all":
        return Measurement(shape, config, seed)
    fixed = _half(config, side) if config.mask in HALVES else _picture(config, side)
    _require_some(int(fixed.sum()), config, side)
    return Measurement(shape, config, seed, fixed[None, None])


def _count(rate: float | None, whole: int) -> int:
    assert rate is not None
    return round(rate * whole)


def _half(config: MeasurementConfig, side: tuple[int, int]) -> Tensor:
    """(h, w) bool: a half from that side, or the fraction that the rate gives."""
    dim = 0 if config.mask in ("top", "bottom") else 1
    seen, count = torch.zeros(side, dtype=torch.bool), _count(config.rate, side[dim])
    first = 0 if config.mask in ("top", "left") else side[dim] - count
    seen.narrow(dim, first, count).fill_(True)
    return seen


def _picture(config: MeasurementConfig, side: tuple[int, int]) -> Tensor:
    """(h, w) bool: where the picture, laid on black, is brighter than half."""
    try:
        grey = to_image(_read(config.mask), "L", background="black")
    except UNREADABLE as error:
        raise InversionError(f"{config.mask} is not a readable image: {error}") from error
    if grey.size != side[::-1]:
        raise InversionError(
            f"the mask {config.mask} must have {side[0]} x {side[1]} pixels, as the (pooled) images do, but "
            f"has {grey.height} x {grey.width}"
        )
    return torch.from_numpy(np.array(grey)) > 127  # torchvision takes a second to import


def _read(path: str) -> bytes:
    folder, slash, name = path.rpartition("/")
    try:
        return Folder.at(folder or slash or ".").read(name)
    except StorageError as error:
        names = ", ".join(NAMED)
        raise InversionError(f"no mask {path!r}: give one of {names}, or an image file ({error})") from error


def _require_some(count: int, config: MeasurementConfig, side: tuple[int, int]) -> None:
    if not count:
        rate = "" if config.rate is None else f" at rate {config.rate:g}"
        raise InversionError(f"mask {config.mask}{rate} observes none of the {side[0]} x {side[1]} pixels")
