"""Theorem 1's directions of descent, measured through random nets (partial-measurements, eqs. 4 and 5)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.jobs.invertibility.config import DirectionsConfig
from preimage.jobs.invertibility.nets import Net
from preimage.jobs.observed_values import observed_values
from preimage.latents.priors import Normal
from preimage.metrics.descent_directions import (
    cosine_of_images,
    descent,
    expected_gradient,
    half_plane,
    negative_multiple,
    polar_lattice,
)
from preimage.metrics.landscape import Cost
from preimage.random_streams import Stream
from preimage.work.trials import Results

STATIONARY = 1e-3
"""J counts as stationary at a code whose slope is below this, where 1 is that of a round bowl around z*."""


@dataclass(frozen=True)
class Directions:
    """A trial: measure the descent from codes z on the lattice, and where it leads. Its fields are the
    job's."""

    config: DirectionsConfig
    inversion: InversionConfig
    seed: int

    def __call__(self, net: Net, _device: torch.device) -> Results:
        """What `_of_code` gives for each code of each network, with (networks, codes) in front."""
        numbers = range(self.config.networks)
        each = [self._through(net, Stream.DIRECTIONS.seed(self.seed, number)) for number in numbers]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def _through(self, net: Net, seed: int) -> Results:
        generator, measurement = net.make(seed), net.measurement(seed)
        see = observed_values(generator, measurement)
        engine = Engine(generator, self.inversion, Normal(net.channels[0]), measurement, seed, started=True)
        random = Stream.DIRECTION_CODES.generator(seed)
        pairs = torch.randn(self.config.codes, 2, net.channels[0], generator=random).double()
        layers = len(net.channels) - 1
        places = [half_plane(code, across, *self._lattice) for code, across in pairs]
        ends = _descend(engine, generator(pairs[:, 0].float()), torch.stack(places))
        each = [
            self._of_code(Cost(see, code), layers, here, end, across)
            for (code, across), here, end in zip(pairs, places, ends, strict=True)
        ]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def _of_code(self, cost: Cost, layers: int, places: Tensor, ends: Tensor, across: Tensor) -> Results:
        """For one code z*, on the lattice (radii, angles): `slope` and `cosine` as in `Descent`; `expected`,
        the cosine between -grad J and its expectation; `arrow`, -grad J's components along z* and across;
        `end`, a descent's end in the same coordinates, in units of |z*| (the distance from the ray for the
        second), and `away`, its distance from the nearer of z* and -rho z*; `at_zero`, by angle, the cosine
        between the images of z* and of z."""
        shape, flat = places.shape[:2], places.flatten(0, 1)
        found = descent(cost, flat)
        ideal = -expected_gradient(flat, cost.code, layers)
        code, size = cost.code, cost.code.norm()
        axes = torch.linalg.qr(torch.stack([code, across], 1)).Q
        axes = axes * (axes * torch.stack([code, across], 1)).sum(0).sign()
        along = ends @ code / size
        other = -negative_multiple(layers) * code
        return {
            "slope": found.slope.view(shape),
            "cosine": found.cosine.view(shape),
            "expected": torch.cosine_similarity(found.direction, ideal).view(shape),
            "arrow": (found.direction @ axes).view(*shape, 2),
            "end": torch.stack([along, (ends - along[..., None] * code / size).norm(dim=-1)], -1) / size,
            "away": torch.minimum((ends - code).norm(dim=-1), (ends - other).norm(dim=-1)) / size,
            "at_zero": cosine_of_images(cost.see, code, places[0]),
        }

    @property
    def _lattice(self) -> tuple[Tensor, Tensor]:
        return polar_lattice(self.config.reach, self.config.radii, self.config.angles)


@dataclass(frozen=True)
class Directed:
    """What was found through one kind of net."""

    net: Net
    results: Results
    """Of `Directions`."""
    config: DirectionsConfig

    @property
    def outside(self) -> Tensor:
        """Where the lattice is outside the theorem's balls: (radii, angles) bool."""
        radii, angles = polar_lattice(self.config.reach, self.config.radii, self.config.angles)
        x, y = radii[:, None] * angles.cos(), radii[:, None] * angles.sin()
        rho = negative_multiple(len(self.net.channels) - 1)
        return (torch.hypot(x - 1, y) > self.config.epsilon) & (torch.hypot(x + rho, y) > self.config.epsilon)

    def summary(self) -> dict[str, float]:
        """Numbers of codes z outside the balls, over all networks and z*.

        `stationary`: the share where J is stationary; `stuck`: the share from which a descent ends outside of
        both balls: in a flat region, or in a minimum that the theorem rules out; `epsilon`: the radius that
        balls need to hold 95% of all ends; `slope`: the lowest, and `slope_median`; `cosine`: the mean cosine
        between the descent and z* - z; `leads_away`: the share where it is negative; `expected`: the mean
        cosine between the descent and its expectation in wide nets; `zero`: the share of z along which J does
        not fall at 0 (equation 5); `image_cosine`: the lowest cosine of two images.
        """
        outside, away = self.outside, self.results["away"]
        slope, cosine, expected = (
            self.results[name][..., outside] for name in ("slope", "cosine", "expected")
        )
        return {
            "stationary": _share(slope < STATIONARY),
            "stuck": _share(away[..., outside] > self.config.epsilon),
            "epsilon": away.flatten().quantile(0.95).item(),
            "slope": slope.min().item(),
            "slope_median": slope.median().item(),
            "cosine": cosine.mean().item(),
            "leads_away": _share(cosine < 0),
            "expected": expected.mean().item(),
            "zero": _share(self.results["at_zero"] <= 0),
            "image_cosine": self.results["at_zero"].min().item(),
        }


def _descend(engine: Engine, images: Tensor, places: Tensor) -> Tensor:
    """Where descents from codes (images, radii, angles, d) end, to images (images, C, H, W)."""
    count = places.shape[1] * places.shape[2]
    ids = torch.zeros(len(images) * count, dtype=torch.int64)  # all see the same pixels
    found = engine.invert(images.repeat_interleave(count, 0), places.flatten(0, 2).float(), ids)
    return found.z.double().view(places.shape)


def _share(which: Tensor) -> float:
    return which.double().mean().item()
