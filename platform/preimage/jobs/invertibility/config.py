"""The parts of an invertibility job's spec."""

from typing import Annotated

from pydantic import Field

from preimage.config import Config, PositiveFloat, PositiveInt
from preimage.jobs.invertibility.nets import Rate


class DirectionsConfig(Config):
    """Where the cost is measured: on a polar lattice in a half-plane through 0 and the code to find, z*."""

    channels: Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(min_length=1)] = (
        (2, 2),
        (4, 4),
        (8, 8),
        (32, 64),
    )
    """C1 and C2 of the nets, of theorem 1's weights."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (1.0, 0.5)
    """Fractions of the image that are seen."""
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """The radius of the theorem's balls around z* and -rho z*, in units of |z*|."""
    reach: PositiveFloat = 2.0
    """The largest |z|, in units of |z*|."""
    radii: PositiveInt = 10
    angles: Annotated[int, Field(ge=2)] = 13
    """From z* to -z*, evenly spaced."""
    networks: PositiveInt = 4
    codes: PositiveInt = 4
    """Codes z* in each network, each with one half-plane at random."""

    @property
    def places(self) -> int:
        """Codes z for each pair of channels and rate."""
        return self.networks * self.codes * self.radii * self.angles
