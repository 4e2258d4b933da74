"""landscape: how it runs."""

from functools import partial

import torch
from torch import Tensor

from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.inversion.measurements import Measurement, make_measurement
from preimage.jobs.base import Context, Result
from preimage.jobs.landscape.figures import Landscape, landscape_png
from preimage.jobs.landscape.job import KINDS, LandscapeJob
from preimage.jobs.landscape.report import TITLES, nets_table, summary
from preimage.jobs.observed_values import observed_values
from preimage.latents.priors import Normal
from preimage.metrics.landscape import Cost, distinct, flat_area, is_minimum, lattice
from preimage.models.random_nets import RandomNet
from preimage.random_streams import Stream
from preimage.work.trials import Results

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


def run(job: LandscapeJob, context: Context) -> Result:
    """Explore every net; draw the hardest of each kind, and set all beside what the paper says."""
    kinds = _explore_all(job, context.on_cpu())  # the nets are tiny, and float64
    landscapes = [_hardest(TITLES[kind], results) for kind, results in kinds.items()]
    found = {kind: summary(results, job.true_code) for kind, results in kinds.items()}
    return Result(
        {f"{name}_{kind}": n for kind, each in found.items() for name, n in each.items()},
        {"landscape.png": landscape_png(landscapes, job.true_code, job.window, job.drawn)},
        f"# Landscapes of {job.networks} random nets of each kind\n\n{job.starts**2} descents in each: "
        f"plain gradient descent, at most {job.steps:,} steps.\n\n{nets_table(found)}\n"
        f"Drawn: {job.drawn}\n",
    )


def _explore_all(job: LandscapeJob, context: Context) -> dict[str, list[Results]]:
    """What `explore` gives for every net, by kind."""
    nets = {f"{kind}-{number:03d}": (kind, number) for kind in KINDS for number in range(job.networks)}
    explored = context.run_trials(nets, partial(explore, job), "exploring landscapes")
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
