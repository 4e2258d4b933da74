"""The settings of an inversion."""

from typing import Annotated, Literal

from pydantic import Field

from preimage.config import Config, PositiveFloat, PositiveInt

NonNegative = Annotated[float, Field(ge=0)]


class InversionConfig(Config):
    """How codes are searched for. The loss of an image is the squared error averaged over its pixels and
    channels, and a batch's is the sum over its images: no image's gradient depends on its neighbours, and
    the learning rates below are for just this loss."""

    solver: Literal["adam", "gradient-descent"] = "adam"
    lr: PositiveFloat = 0.05
    halve_every: PositiveInt | None = None
    """Halve the learning rate after so many steps (precise-recovery: 1.0, halved every 50,000)."""
    steps: PositiveInt = 500
    """Steps an image gets at most."""
    tolerance: NonNegative = 0.0
    """An image whose loss falls to this is done, and counts as converged."""
    patience: PositiveInt | None = 50
    """An image is done when its best loss has not fallen by `improvement` for so many steps; null: never."""
    improvement: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """The share of its best loss that counts as an improvement."""
    start: Literal["prior", "near-zero"] = "near-zero"
    """Where codes start: drawn from the generator's prior, or N(0, 1e-4 squared) (flexible-priors, E)."""
    batch: PositiveInt = 64
    """Images inverted at a time. It changes the speed, not the codes."""
