"""landscape: the cost J(z) of small random nets, descents on it, and when a net's codes can be recovered."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from preimage.config import PositiveFloat, PositiveInt
from preimage.inversion import Engine, InversionConfig
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.jobs.config import JobConfig
from preimage.jobs.context import Context, Result
from preimage.jobs.landscape.expansivity import SweepConfig, sweep, sweep_table
from preimage.jobs.landscape.figures import Terrain, expansivity_png, landscape_png
from preimage.jobs.landscape.report import TITLES, nets_table, summary
from preimage.latents.priors import Normal
from preimage.metrics.landscape import Cost, distinct, flat_area, is_minimum, lattice
from preimage.models.random_nets import Activation, RandomNet, WeightLaw
from preimage.work.reproducible import seed_of
from preimage.work.trials import Results, run_trials

HEADLINE = (
    "reached_relu",
    "reached_negative_relu",
    "reached_sigmoid",
    "reached_tanh",
    "flat_area_relu",
    "flat_area_counter_example",
)

KINDS: dict[str, tuple[Activation, WeightLaw]] = {
    "relu": ("relu", "normal"),
    "leaky_relu": ("leaky-relu", "normal"),
    "sigmoid": ("sigmoid", "normal"),
    "tanh": ("tanh", "normal"),
    "counter_example": ("relu", "uniform"),
}
"""Figure 4's nets, (a) to (d), and leaky ReLU, of which the paper says that it is as ReLU."""

NEAR = 0.1
"""A descent that ends nearer than this to z* has reached it; an end lower than all of a circle of this radius
around it is a minimum, not a place on a slope; two minima this near are one."""
FLAT = 1e-3
"""Where J is below this share of its mean over the window it counts as flat."""
DONE = 1e-10
"""Where J is below this share of it a descent is over."""
PATH = 100
"""Codes of a path that are kept."""
SAME_IMAGE = 1e-6
"""Where J is below this share of its mean over the window there is no residual worth the name."""


class LandscapeConfig(JobConfig):
    """Measure and draw the cost landscapes of random nets (partial-measurements, section 4.2, figure 4), and
    when codes can be recovered through them (theorem 1)."""

    job: Literal["landscape"] = "landscape"
    channels: PositiveInt = 16
    """Of the first layer; the code has 2, the image 1."""
    kernel: PositiveInt = 5
    stride: PositiveInt = 3
    gain: PositiveFloat | Literal["unit"] = 1.0
    """Multiplies the weights; `unit` gives every activation inputs of mean square one."""
    code: tuple[float, float] = (-1.0, -1.0)
    """The code to find, z*. With positive weights alone, a ReLU net gives nothing for codes of this sign."""
    window: PositiveFloat = 4.0
    """The landscape reaches so far from z* to each side."""
    grid: int = Field(201, ge=3)
    """Points of the landscape a side."""
    starts: PositiveInt = 8
    """Descents begin on a lattice of so many points a side."""
    networks: PositiveInt = 20
    """Networks of each kind; the one in which the fewest descents succeed is drawn."""
    measurement: MeasurementConfig = MeasurementConfig(mask="random", rate=0.5)
    lr: PositiveFloat = 1.0
    """Learning rate of plain gradient descent, in units of 1 / the largest curvature of J at any start: a
    quadratic of that curvature diverges from 2 on."""
    steps: PositiveInt = 2000
    sweep: SweepConfig = SweepConfig()


def cost(config: LandscapeConfig, images: int | None) -> dict[str, int]:
    """Every code is searched for twice: from its start, and from the negative of what that finds. A step is a
    forward and a reverse pass."""
    descents = 2 * len(KINDS) * config.networks * config.starts**2
    steps = descents * config.steps + config.sweep.searches * config.sweep.inversion.steps
    return {"searches": descents + config.sweep.searches, "generator evaluations at most": 2 * steps}


def run(config: LandscapeConfig, context: Context) -> Result:
    """Explore every net and sweep over channels; draw both, and set them beside what the paper says."""
    nets = {f"{kind}-{number:03d}": (kind, number) for kind in KINDS for number in range(config.networks)}
    explored = run_trials(context, nets, partial(explore, config), "exploring landscapes")
    kinds = {kind: [explored[name] for name, each in nets.items() if each[0] == kind] for kind in KINDS}
    cells = sweep(config.sweep, config.seed, context)

    terrains = [_hardest(TITLES[kind], results) for kind, results in kinds.items()]
    context.run.figures.write("landscape.png", landscape_png(terrains, config.code, config.window))
    context.run.figures.write("expansivity.png", expansivity_png(cells, config.sweep.latent_dim))
    found = {kind: summary(results, config.code) for kind, results in kinds.items()}
    heading = f"Landscapes of {config.networks} random nets of each kind, {config.starts**2} descents in each"
    tables = f"# {heading}\n\n{nets_table(found)}\n{sweep_table(config.sweep, cells)}"
    context.run.figures.write("table.md", tables.encode())
    metrics: dict[str, Any] = {
        f"{name}_{kind}": n for kind, each in found.items() for name, n in each.items()
    }
    metrics |= {
        f"recovered_channels_{cell.first}_{cell.second}": cell.shares["recovered_negative"] for cell in cells
    }
    return Result(metrics, ("table.md", "landscape.png", "expansivity.png"))


def explore(config: LandscapeConfig, which: tuple[str, int]) -> Results:
    """One landscape: J over the window, how it is curved at z*, and where descents end."""
    kind, number = which
    (activation, weights), seed = KINDS[kind], seed_of(config.seed, number)
    net = RandomNet(
        (2, config.channels, 1), config.kernel, config.stride, activation, weights, config.gain, seed
    )
    code = torch.tensor(config.code)
    channels, height, width = net(code[None]).shape[1:]
    measurement = make_measurement(config.measurement, (channels, height, width), seed)
    surface = Cost(seen(net, measurement), code)
    values = surface(lattice(code, config.window, config.grid))
    return {
        "cost": values.view(config.grid, config.grid).float(),
        "flat_area": flat_area(values, FLAT),
        "curvatures": surface.curvatures(code[None])[0],
        **_descend(config, net, measurement, surface, values.mean().item()),
    }


def seen(net: RandomNet, measurement: Measurement) -> Callable[[Tensor], Tensor]:
    """Codes (n, d) to what is seen of their images (n, m) as of image 0, in float64 and without noise."""
    exact, mask = deepcopy(net).double(), measurement.masks(torch.zeros(1, dtype=torch.int64))
    everywhere = torch.ones(1, *measurement.reduced)
    where = (everywhere if mask is None else everywhere * mask).flatten() > 0
    return lambda codes: measurement.reduce(exact(codes)).flatten(1)[:, where]


def _descend(
    config: LandscapeConfig, net: RandomNet, measurement: Measurement, surface: Cost, scale: float
) -> Results:
    """From a lattice of starts, and once more from the negative of what that finds, the better kept.

    scale: the mean of J over the window.
    """
    code = surface.code.float()
    starts = lattice(code, config.window * (1 - 1 / config.starts), config.starts)
    settings = _settings(config, surface, starts, scale)
    engine = Engine(net, settings, Normal(2), measurement, started=True)
    images = net(code[None]).expand(len(starts), -1, -1, -1)
    ids = torch.zeros(len(starts), dtype=torch.int64)  # all see the same pixels
    first = engine.invert(images, starts, ids, keep=_spaced(config.steps))
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


def _settings(config: LandscapeConfig, surface: Cost, starts: Tensor, scale: float) -> InversionConfig:
    """Plain gradient descent, until nothing is left or nothing is gained."""
    steepest = surface.curvatures(torch.cat([starts, surface.code[None].float()])).max().item()
    share = 2 / surface.observed  # the engine's loss is this much of J
    return InversionConfig(
        solver="gradient-descent",
        lr=config.lr / (share * steepest),
        steps=config.steps,
        tolerance=DONE * share * scale,
        patience=200,
        min_rel_delta=1e-3,
    )


def _spaced(steps: int) -> list[int]:
    """Step numbers, dense at first."""
    return sorted({round(steps ** (i / PATH)) for i in range(PATH + 1)} | {0})


def _near(codes: Tensor, code: Tensor) -> Tensor:
    return (codes - code).norm(dim=1) < NEAR


def _hardest(title: str, results: list[Results]) -> Terrain:
    """The landscape in which the fewest descents reach z*."""
    hardest = min(results, key=lambda each: int(each["reached"].sum()))
    return Terrain(title, *(hardest[name].numpy() for name in ("cost", "paths", "reached", "same_image")))
