"""What an inversion sees of an image: pooled, masked, noisy (partial-measurements, eq. 3; precise-recovery),
or through a linear operator.

Random masks and noise depend only on the seed and an image's id, so they are the same in any batch, in any
order and on any worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from preimage.config import Config, PositiveInt
from preimage.data.image_shape import Shape, shape_text
from preimage.errors import InversionError
from preimage.float32 import float32_products
from preimage.inversion.masks import HALVES, NAMED, count_of, half, picture, random_masks, read, require_some
from preimage.inversion.operators import OPERATORS, LinearOperator, OperatorSetup
from preimage.own_settings import OwnSettings, own_settings, with_own_settings
from preimage.random_streams import Stream, normal
from preimage.storage.folder import digest

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def _add_operator_settings(schema: dict[str, Any]) -> None:
    kinds, _ = OPERATORS.working()
    settings = {name: kind.settings for name, kind in kinds.items()}
    with_own_settings(schema, "operator", "operator_settings", settings)


class MeasurementConfig(Config):
    """What is observed of every image; by default all of it."""

    model_config = ConfigDict(json_schema_extra=_add_operator_settings)

    mask: str = "all"
    """`all`; `random` pixels, different for every image; the `top`, `bottom`, `left` or `right` part; or an
    image file as large as the (pooled) images: its pixels brighter than half are observed, transparent ones
    are hidden."""
    operator: Annotated[Annotated[str, OPERATORS] | None, Field(exclude_if=lambda name: name is None)] = None
    """In place of mask and pool: `gaussian`, a matrix with entries of N(0, 1/m) for m observed numbers (Bora
    et al. 2017), the same for every image; or a plugin's."""
    operator_settings: OwnSettings = None
    """Settings that this operator alone has."""
    rate: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    """The observed share: of the pixels for `random`, of the rows or columns for a half (default 0.5); for
    `gaussian` m over the image's numbers, its channels counted."""
    pool: PositiveInt = 1
    """Average over squares of this many pixels a side, before the mask: a lower resolution."""
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Variance of the Gaussian noise added to the observed pixels, or to what the operator returns."""
    mask_sha256: str | None = None
    """SHA-256 of the mask's file. It is filled in: another picture under the same name is another run."""

    @property
    def name(self) -> str:
        """What tells it from others in short: the operator's name, or the mask's."""
        return self.operator or self.mask

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
            now = digest(read(mask))
        except InversionError as error:
            raise ValueError(str(error)) from error
        if values.get("mask_sha256") not in (None, now):
            raise ValueError(f"{mask} does not match mask_sha256: remove mask_sha256 to use the file")
        return values | {"mask_sha256": now}

    @field_validator("operator_settings", mode="before")
    @classmethod
    def _settings_of_the_operator(cls, given: Any, info: ValidationInfo) -> Any:
        if kind := OPERATORS.get(operator := info.data.get("operator")):
            return own_settings(str(operator), kind.settings, given)
        if given and "operator" in info.data:
            raise ValueError("operator_settings are an operator's: name it, or remove them")
        return None

    @model_validator(mode="after")
    def _fits_together(self) -> MeasurementConfig:
        if self.operator:
            require_whole(self)
        takes_rate, key, of = self.mask in ("random", *HALVES), "mask", "pixels"
        if self.operator:
            takes_rate, key, of = OPERATORS[self.operator].takes_rate, "operator", "numbers"
        if takes_rate and self.rate is None:
            raise ValueError(f"{key}={self.name} needs a rate, the fraction of observed {of}, such as 0.5")
        if not takes_rate and self.rate is not None:
            raise ValueError(
                "rate applies to mask=random, halves and operators that take one, such as gaussian, not to "
                f"{self.name!r}: remove it"
            )
        if self.mask in NAMED and self.mask_sha256 is not None:
            raise ValueError(f"mask_sha256 applies to a mask's file only, not to {self.mask!r}: remove it")
        return self


def require_whole(config: MeasurementConfig) -> None:
    """Raise InversionError if a config masks or pools images that an operator measures."""
    if config.mask != "all" or config.pool > 1:
        raise InversionError(
            "an operator measures whole images: remove mask and pool, or let the operator do what they do"
        )


@dataclass(frozen=True)
class Measurement:
    """A measurement of images of one shape, created by `make_measurement`. Workers receive it unchanged."""

    shape: Shape
    """The images' shape, (C, H, W)."""
    config: MeasurementConfig
    seed: int = 0
    fixed: Tensor | None = field(default=None, compare=False, repr=False)
    """(1, 1, h, w) bool: the mask of every image; None if all is observed, or masks are random."""
    operator: LinearOperator | None = field(default=None, compare=False, repr=False)
    observed: tuple[int, ...] = ()
    """The shape of what the operator returns for an image."""

    @property
    def reduced(self) -> tuple[int, ...]:
        """The shape of an observation: (C, h, w), or the operator's."""
        if self.operator:
            return self.observed
        channels, height, width = self.shape
        return channels, height // self.config.pool, width // self.config.pool

    def reduce(self, images: Tensor) -> Tensor:
        """Images (n, C, H, W), average-pooled: (n, C, h, w); or what the operator returns: (n, ...). What has
        that shape already, and is not of the images', is unchanged.

        It is linear. Raises InversionError for images of another shape.
        """
        if tuple(images.shape[1:]) == self.shape:
            return self._reduced(images)
        if tuple(images.shape[1:]) == self.reduced:
            return images
        raise InversionError(
            f"the measurement is of {shape_text(self.shape)} images but got {shape_text(images.shape[1:])}"
        )

    def _reduced(self, images: Tensor) -> Tensor:
        import torch.nn.functional as F

        if self.operator:
            return self.operator(images) if len(images) else images.new_zeros(0, *self.observed)
        return images if self.config.pool == 1 else F.avg_pool2d(images, self.config.pool)

    def masks(self, ids: Tensor) -> Tensor | None:
        """(n, 1, h, w) float32, 1 where the image with that id is observed, else 0; None if all is observed.

        ids: (n,) int64. Random masks show round(rate * h * w) pixels; a lower rate shows a subset of them.
        """
        seen = self._seen(ids)
        return None if seen is None else seen.float()

    @float32_products("ieee")
    def observe(self, images: Tensor, ids: Tensor, measured: bool = False) -> Tensor:
        """What is observed of images (n, C, H, W) with these ids (n,): (n, C, h, w), zero where hidden; or
        what the operator returns, (n, ...).

        Hidden pixels may be anything, even NaN. measured: the images are measured already; their shape tells
        it where no operator returns what has theirs. Raises InversionError as `reduce` does.
        """
        import torch

        observed = images if measured else self.reduce(images)
        if self.config.noise:
            count = observed[0].numel() if len(observed) else 0
            noise = normal(Stream.MEASUREMENT_NOISE.seed(self.seed), ids, 0, count).view(observed.shape)
            observed = observed + self.config.noise**0.5 * noise
        seen = self._seen(ids)
        return observed if seen is None else torch.where(seen, observed, 0.0)

    @float32_products("ieee")
    def shown(self, images: Tensor, ids: Tensor) -> Tensor:
        """What is observed of images (n, C, H, W), as images of that shape: enlarged if it was pooled; of an
        operator A^T y, times the factor that makes its own measurement nearest to y."""
        import torch
        import torch.nn.functional as F

        y = self.observe(images, ids)
        if not self.operator:
            return F.interpolate(y, self.shape[1:])
        with torch.no_grad():
            back = self.operator.transposed(y, self.shape)
            again, y = self.operator(back).flatten(1), y.flatten(1)
        factor = (again * y).sum(1) / again.square().sum(1).clamp_min(torch.finfo(y.dtype).tiny)
        return back * factor[:, None, None, None]

    def _seen(self, ids: Tensor) -> Tensor | None:
        """The masks as bool."""
        if self.config.mask == "random":
            _, height, width = self.reduced
            return random_masks(self.config.rate, self.seed, ids, (height, width))
        return None if self.fixed is None else self.fixed.to(ids.device).expand(len(ids), -1, -1, -1)


def make_measurement(
    config: MeasurementConfig,
    shape: Shape,
    seed: int = 0,
    operator: LinearOperator | None = None,
    device: torch.device | str = "cpu",
) -> Measurement:
    """The measurement of images (C, H, W) that a config describes.

    operator: one of the user's own, in place of a named one; it is tried on the device.
    Raises InversionError if it does not fit them or observes none of their pixels, and for an operator as
    `checked` does.
    """
    if operator or config.operator:
        return _by_operator(config, shape, seed, operator, device)
    mask = _mask(config, shape)
    if mask is None:
        return Measurement(shape, config, seed)
    import torch

    return Measurement(shape, config, seed, torch.from_numpy(mask)[None, None])


def require_measurable(config: MeasurementConfig, shape: Shape) -> None:
    """Raise InversionError as `make_measurement` does, without torch unless a plugin's operator needs it."""
    if config.operator:
        _by_operator(config, shape, 0, None, "cpu")
    else:
        _mask(config, shape)


def _mask(config: MeasurementConfig, shape: Shape) -> np.ndarray | None:
    """The mask (h, w) of every image; None if all is observed, or masks are random."""
    _, height, width = shape
    if height % config.pool or width % config.pool:
        raise InversionError(f"pool {config.pool} does not divide images of {height} x {width} pixels")
    side = height // config.pool, width // config.pool
    if config.mask == "random":
        require_some(count_of(config.rate, side[0] * side[1]), config.mask, config.rate, side)
    if config.mask in ("all", "random"):
        return None
    fixed = half(config.mask, config.rate, side) if config.mask in HALVES else picture(config.mask, side)
    require_some(int(fixed.sum()), config.mask, config.rate, side)
    return fixed


def _by_operator(
    config: MeasurementConfig, shape: Shape, seed: int, own: LinearOperator | None, device: torch.device | str
) -> Measurement:
    name = config.operator
    if own and name:
        raise InversionError(f"your own operator takes the place of {name!r}: remove measurement.operator")
    require_whole(config)
    if name is None:
        assert own
        return Measurement(shape, config, seed, operator=own, observed=_checked(own, shape, device))
    made = OPERATORS[name].make(OperatorSetup(shape, config.rate, seed, config.operator_settings))
    known = OPERATORS.plugin(name) is None and made.observed  # a plan should not draw a large matrix
    observed = known or _checked(made, shape, device)
    return Measurement(shape, config, seed, operator=made, observed=observed)


def _checked(operator: LinearOperator, shape: Shape, device: torch.device | str) -> tuple[int, ...]:
    import torch

    from preimage.inversion.operator_checks import checked

    return checked(operator, shape, torch.device(device))
