"""invertibility: when codes can be recovered through random nets, and whether their cost always descends."""

from typing import Annotated, Literal

from pydantic import Field

from preimage.config import PositiveInt
from preimage.data.catalog import Catalog
from preimage.inversion.config import InversionConfig
from preimage.jobs.base import Context, Job, Metrics, Result, headline, tables
from preimage.jobs.invertibility.config import DirectionsConfig
from preimage.jobs.invertibility.nets import Net, Rate
from preimage.jobs.invertibility.sweeps import (
    Sweep,
    over_channels,
    over_filters,
    over_layers,
    over_rates,
    over_weights,
)
from preimage.models.random_net_kinds import WeightLaw

Channels = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


HEADLINE = (
    "recovered_expansive",
    "another_code_expansive",
    "half_recovered_ratio",
    "half_recovered_ratio_unscaled",
    "stuck_widest",
    "stuck_narrowest",
    "zero_widest",
    "zero_narrowest",
)
"""`recovered_expansive`: the lowest share recovered among nets whose layers all have an expansivity of 1 or
more; `another_code_expansive`: the highest share among them whose image has another code (corollary 2); None
where there are none.
`half_recovered_ratio`: over the sampling rates, the highest r C2 l / (C1 log C1) at which half of the codes
are recovered, divided by the lowest, and `..._unscaled` without the factor r: theorem 4 expects 1, and the
highest rate over the lowest; None where a curve does not cross a half. `stuck_...` and `zero_...`: of
`Directed.summary`, in the first and the last of the nets, the highest of all rates."""


class InvertibilityJob(Job):
    """Recover codes through random ReLU nets that differ in one thing from a net of two layers with theorem
    1's weights, and measure the directions of descent of which the theorem speaks (partial-measurements,
    theorems 1 and 4, conjecture 3, section 4.2)."""

    job: Literal["invertibility"] = "invertibility"
    latent_dim: int = Field(8, ge=2)
    """C0, the channels of the code."""
    hidden: PositiveInt = 16
    """C1, the channels of inner layers, except where `first` varies them."""
    last: Channels = (1, 2, 4, 8, 16, 32)
    """Channels of the image, which every sweep varies."""
    kernel: PositiveInt = 2
    """Also the stride, except in `filters`."""
    first: Channels = (2, 4, 8, 16, 32)
    """C1 for theorem 1."""
    weights: Annotated[tuple[WeightLaw, ...], Field(min_length=1)] = (
        "theorem",
        "uniform-zero-mean",
        "rademacher",
    )
    """Laws of the weights, for conjecture 3."""
    layers: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)] = (2, 3, 4)
    filters: Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(min_length=1)] = (
        (2, 2),
        (4, 2),
        (5, 3),
    )
    """Pairs of kernel and stride."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (1.0, 0.5, 0.25, 0.125)
    """Fractions of the pixels that are seen, for theorem 4."""
    networks: PositiveInt = 8
    """Networks of each kind."""
    codes: PositiveInt = 32
    """Codes z* to recover in each network, each from one random start and then from the negative of what that
    finds."""
    inversion: InversionConfig = InversionConfig(
        solver="adam", lr=0.1, lr_halving_steps=100, steps=400, patience=None
    )
    directions: DirectionsConfig = DirectionsConfig()

    @property
    def base(self) -> Net:
        """The net that all sweeps vary."""
        return Net((self.latent_dim, self.hidden, 1), self.kernel, self.kernel)

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """By a name for metrics."""
        return {
            "channels": over_channels(self.base, self.first, self.last),
            "weights": over_weights(self.base, self.weights, self.last),
            "layers": over_layers(self.base, self.layers, self.last),
            "filters": over_filters(self.base, self.filters, self.last),
            "rates": over_rates(self.base, self.rates, self.last),
        }

    @property
    def nets(self) -> dict[str, Net]:
        """Every kind of net whose codes are recovered, once, by its name."""
        curves = (nets for sweep in self.sweeps.values() for nets in sweep.curves.values())
        return {net.name: net for nets in curves for net in nets}

    @property
    def directed(self) -> dict[str, Net]:
        """Those in which directions are measured."""
        config, kernel = self.directions, self.kernel
        nets = (
            Net((self.latent_dim, *channels), kernel, kernel, rate=rate)
            for rate in config.rates
            for channels in config.channels
        )
        return {f"directions-{net.name}": net for net in nets}

    def metrics(self) -> Metrics:
        """`recovered` by sweep, curve and the last layer's channels; `half_recovered`, the last layer's
        expansivity (times the rate) at which half of the codes are recovered, by sweep and curve;
        `directions`, `Directed.summary` by channels and rate; and HEADLINE."""
        return (
            *headline(*HEADLINE),
            *tables("recovered", "half_recovered", "directions"),
        )

    def cost(self, images: int | None) -> dict[str, int]:
        """A step is a forward and a reverse pass."""
        searches = 2 * len(self.nets) * self.networks * self.codes
        descents = len(self.directed) * self.directions.places
        steps = (searches + descents) * self.inversion.steps
        return {"searches": searches + descents, "generator evaluations at most": 2 * steps}

    def check(self, catalog: Catalog) -> None:
        """Raise InversionError if a rate shows no pixel."""
        for net in (*self.nets.values(), *self.directed.values()):
            net.measurement(self.seed)

    def run(self, context: Context) -> Result:
        from preimage.jobs.invertibility.run import run

        return run(self, context)
