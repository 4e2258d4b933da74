"""landscape: the cost J(z) of small random nets, and descents on it."""

from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from preimage.config import PositiveFloat, PositiveInt
from preimage.inversion import Engine, InversionConfig
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.landscape.figures import Landscape, landscape_png
from preimage.jobs.landscape.report import NET_METRICS, TITLES, nets_table, summary
from preimage.jobs.observed_values import observed_values
from preimage.latents.priors import Normal
from preimage.metrics.landscape import Cost, distinct, flat_area, is_minimum, lattice
from preimage.models.random_nets import Activation, RandomNet, WeightLaw
from preimage.random_streams import Stream
from preimage.work.trials import Results

KINDS: dict[str, tuple[Activation, WeightLaw]] = {
    "relu": ("relu", "normal"),
    "leaky_relu": ("leaky-relu", "normal"),
    "sigmoid": ("sigmoid", "normal"),
    "tanh": ("tanh", "normal"),
    "counter_example": ("relu", "uniform"),
}
"""Figure 4's nets, (a) to (d), and leaky ReLU, which the paper says behaves as ReLU does."""

NEAR = 0.1
"""A descent that ends nearer than this to z* has reached it. An end counts as a minimum, not a place on a
slope, where it is lower than all of a circle of this radius around it. Two minima this near count as one."""
FLAT = 1e-3
"""Where J is below this fraction of its mean over the window it counts as flat."""
DONE = 1e-10
"""A descent is over where J is below this fraction of its mean over the window."""
PATH = 100
"""Codes of a path that are kept."""
SAME_IMAGE = 1e-6
"""Where J is below this fraction of its mean over the window the residual counts as none."""


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

    def run(self, context: Context) -> Result:
        """Explore every net; draw the hardest of each kind, and set all beside what the paper says."""
        kinds = self._explore_all(context.on_cpu())  # the nets are tiny, and float64
        landscapes = [_hardest(TITLES[kind], results) for kind, results in kinds.items()]
        found = {kind: summary(results, self.true_code) for kind, results in kinds.items()}
        return Result(
            {f"{name}_{kind}": n for kind, each in found.items() for name, n in each.items()},
            {"landscape.png": landscape_png(landscapes, self.true_code, self.window, self.drawn)},
            f"# Landscapes of {self.networks} random nets of each kind\n\n{self.starts**2} descents in each: "
            f"plain gradient descent, at most {self.steps:,} steps.\n\n{nets_table(found)}\n"
            f"Drawn: {self.drawn}\n",
        )

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

    def _explore_all(self, context: Context) -> dict[str, list[Results]]:
        """What `explore` gives for every net, by kind."""
        nets = {f"{kind}-{number:03d}": (kind, number) for kind in KINDS for number in range(self.networks)}
        explored = context.run_trials(nets, partial(explore, self), "exploring landscapes")
        return {kind: [explored[name] for name, each in nets.items() if each[0] == kind] for kind in KINDS}


def explore(job: LandscapeJob, which: tuple[str, int], _device: torch.device) -> Results:
    """One net, by kind and number: J over the window, its curvatures at z*, and where descents end."""
    kind, number = which
    (activation, weights), seed = KINDS[kind], Stream.LANDSCAPE.seed(job.seed, number)
    net = RandomNet((2, job.channels, 1), job.kernel, job.stride, activation, weights, job.gain, seed)
    code = torch.tensor(job.true_code)
    channels, height, width = net(code[None]).shape[1:]
    measurement = make_measurement(job.measurement, (channels, height, width), seed)
    surface = Cost(observed_values(net, measurement), code)
    values = surface(lattice(code, job.window, job.grid))
    return {
        "cost": values.view(job.grid, job.grid).float(),
        "flat_area": flat_area(values, FLAT),
        "curvatures": surface.curvatures(code[None])[0],
        **_descend(job, net, measurement, surface, values.mean().item()),
    }


def _descend(
    job: LandscapeJob, net: RandomNet, measurement: Measurement, surface: Cost, scale: float
) -> Results:
    """Descend from a lattice of starts, and once more from the negative of what that finds; keep the better.

    scale: the mean of J over the window.
    """
    code = surface.code.float()
    starts = lattice(code, job.window * (1 - 1 / job.starts), job.starts)
    settings = _settings(job, surface, starts, scale)
    engine = Engine(net, settings, Normal(2), measurement, started=True)
    images = net(code[None]).expand(len(starts), -1, -1, -1)
    ids = torch.zeros(len(starts), dtype=torch.int64)  # all see the same pixels
    first = engine.invert(images, starts, ids, keep=_spaced(job.steps))
    second = engine.invert(images, -first.z, ids)
    best = torch.where((second.loss < first.loss)[:, None], second.z, first.z)
    lowest = distinct(first.z[is_minimum(surface, first.z, NEAR)], NEAR)
    return {
        "paths": first.kept_z,
        "reached": _near(first.z, code),
        "reached_negative": _near(best, code),
        "same_image": surface(first.z) < SAME_IMAGE * scale,
        "minima": torch.tensor(len(lowest)),
        "others": lowest[~_near(lowest, code)],
    }


def _settings(job: LandscapeJob, surface: Cost, starts: Tensor, scale: float) -> InversionConfig:
    """Plain gradient descent, until J is as good as zero or stops falling."""
    steepest = surface.curvatures(torch.cat([starts, surface.code[None].float()])).max().item()
    share = 2 / surface.observed  # the engine's loss is this much of J
    return InversionConfig(
        solver="gradient-descent",
        lr=job.lr / (share * steepest),
        steps=job.steps,
        tolerance=DONE * share * scale,
        patience=200,
        min_rel_delta=1e-3,
    )


def _spaced(steps: int) -> list[int]:
    """Step numbers, dense at first."""
    return sorted({round(steps ** (i / PATH)) for i in range(PATH + 1)} | {0})


def _near(codes: Tensor, code: Tensor) -> Tensor:
    return (codes - code).norm(dim=1) < NEAR


def _hardest(title: str, results: list[Results]) -> Landscape:
    """The landscape in which the fewest descents reach z*."""
    hardest = min(results, key=lambda each: int(each["reached"].sum()))
    return Landscape(title, *(hardest[name].numpy() for name in ("cost", "paths", "reached", "same_image")))
