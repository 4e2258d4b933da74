"""The random nets of the job `invertibility`: what distinguishes one from another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.models.random_net_kinds import WeightLaw

if TYPE_CHECKING:
    from preimage.models.random_nets import RandomNet

Rate = Annotated[float, Field(gt=0, le=1)]
"""A fraction of the pixels."""


@dataclass(frozen=True)
class Net:
    """Random nets of ReLU layers, all but their seeds, and how much of their images is seen."""

    channels: tuple[int, ...]
    """Of the code, of every layer, and of the image."""
    kernel: int
    stride: int
    weights: WeightLaw = "theorem"
    rate: float = 1.0
    """The fraction of the pixels that is seen, at random; of a pixel all channels."""

    @property
    def name(self) -> str:
        """Also a file's."""
        channels = "-".join(map(str, self.channels))
        return f"{channels}-kernel-{self.kernel}-stride-{self.stride}-{self.weights}-rate-{self.rate:g}"

    @property
    def expansivity(self) -> tuple[float, ...]:
        """Of each layer, as theorems 1 and 4 count it."""
        from preimage.models.random_nets import expansivity

        return expansivity(self.channels, self.kernel, self.rate)

    @property
    def side(self) -> int:
        """Of its images, in pixels."""
        side = 1
        for _ in self.channels[1:]:
            side = (side - 1) * self.stride + self.kernel
        return side

    def make(self, seed: int) -> RandomNet:
        """One of them, scaled so that its activations are of order one: what a scale does to a net of
        rectifiers it does to its images alone."""
        from preimage.models.random_nets import RandomNet

        return RandomNet(self.channels, self.kernel, self.stride, "relu", self.weights, "unit", seed)

    def measurement(self, seed: int) -> Measurement:
        """What is seen of its images. Raises InversionError if that is nothing."""
        part = MeasurementConfig(mask="random", rate=self.rate) if self.rate < 1 else MeasurementConfig()
        return make_measurement(part, (self.channels[-1], self.side, self.side), seed)

    def with_last(self, channels: int) -> Net:
        """The same with another number of channels of the image."""
        return replace(self, channels=(*self.channels[:-1], channels))
