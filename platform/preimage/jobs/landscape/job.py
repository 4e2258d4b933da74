"""landscape: the cost J(z) of small random nets, and descents on it."""

from typing import Literal

from pydantic import Field

from preimage.config import PositiveFloat, PositiveInt
from preimage.inversion.measurements import MeasurementConfig
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.models.random_net_kinds import Activation, WeightLaw

KINDS: dict[str, tuple[Activation, WeightLaw]] = {
    "relu": ("relu", "normal"),
    "leaky_relu": ("leaky-relu", "normal"),
    "sigmoid": ("sigmoid", "normal"),
    "tanh": ("tanh", "normal"),
    "counter_example": ("relu", "uniform"),
}
"""Figure 4's nets, (a) to (d), and leaky ReLU, which the paper says behaves as ReLU does."""


NET_METRICS = (
    "reached",
    "reached_negative",
    "another_code",
    "minima",
    "flat_area",
    "curvature_ratio",
    "other_minimum_along",
    "other_minimum_cosine",
)
"""What `summary` gives for each kind of net."""


class LandscapeJob(Job):
    """Measure and draw the cost landscapes of random nets (partial-measurements, section 4.2, figure 4)."""

    job: Literal["landscape"] = "landscape"
    channels: PositiveInt = 16
    """Of the first layer; the code has 2, the image 1."""
    kernel: PositiveInt = 5
    stride: PositiveInt = 3
    gain: PositiveFloat | Literal["unit"] = 1.0
    """Multiplies the weights; `unit` gives every activation inputs of mean square one."""
    true_code: tuple[float, float] = (-1.0, -1.0)
    """The code to find, z*. A ReLU net with positive weights alone outputs zero for codes of this sign."""
    window: PositiveFloat = 4.0
    """How far the landscape reaches from z* to each side."""
    grid: int = Field(201, ge=3)
    """Points of the landscape a side."""
    starts: PositiveInt = 8
    """Descents begin on a lattice with this many points a side."""
    networks: PositiveInt = 20
    """Networks of each kind; the one in which the fewest descents succeed is drawn."""
    measurement: MeasurementConfig = MeasurementConfig(mask="random", rate=0.5)
    lr: PositiveFloat = 1.0
    """Learning rate of plain gradient descent, in units of 1 / the largest curvature of J at any start: a
    quadratic of that curvature diverges from 2 on."""
    steps: PositiveInt = 2000

    def metrics(self) -> Metrics:
        """`summary` of each kind of net."""
        first = (
            "reached_relu",
            "reached_negative_relu",
            "reached_sigmoid",
            "reached_tanh",
            "flat_area_relu",
            "flat_area_counter_example",
        )
        nets = [f"{name}_{kind}" for kind in KINDS for name in NET_METRICS]
        return (*headline(*first), *others(*(name for name in nets if name not in first)))

    def cost(self, images: int | None) -> dict[str, int]:
        """Every code is searched for twice: from its start, and from the negative of what that finds.
        A step is a forward and a reverse pass."""
        descents = 2 * len(KINDS) * self.networks * self.starts**2
        return {"searches": descents, "generator evaluations at most": 2 * descents * self.steps}

    @property
    def drawn(self) -> str:
        """What the picture shows, in sentences."""
        gains = {1.0: "", "unit": ", scaled to activations of order one"}
        gain = gains.get(self.gain, f" times {self.gain}")
        rate = self.measurement.rate or 1.0
        values, by = ("numbers", "operator") if self.measurement.operator else ("pixels", "mask")
        return (
            "Square root of J(z) over its maximum in the window. "
            f"Nets of 2-{self.channels}-1 channels, kernel {self.kernel}, stride {self.stride}, weights "
            f"N(0, 1){gain}, {rate:.0%} of the {values} seen ({by} {self.measurement.name}). "
            f"Of {self.networks} nets of each kind, the one in which the fewest descents reach z* (star); "
            "red is where others end."
        )

    def run(self, context: Context) -> Result:
        from preimage.jobs.landscape.run import run

        return run(self, context)
