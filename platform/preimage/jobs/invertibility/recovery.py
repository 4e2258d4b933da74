"""Whether codes are found again through random nets: theorems 1 and 4, conjecture 3, deeper nets."""

from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

import torch
from torch import Tensor

from preimage.inversion.conditioning import squares
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.inversion.measurements import Measurement
from preimage.jobs.invertibility.nets import Net
from preimage.latents.priors import Normal
from preimage.models.random_nets import RandomNet
from preimage.random_streams import Stream
from preimage.work.trials import Results

RECOVERED = 1e-4
"""A code is recovered where its squared error, averaged over components, is below this (precise-recovery)."""
SAME_IMAGE = 1e-6
"""A residual below this fraction of an image's mean square counts as none."""
FULL_RANK = 1e-6
"""A Jacobian has full rank where its smallest singular value is above this fraction of the largest."""


@dataclass(frozen=True)
class Recovery:
    """A trial: recover codes through nets of one kind. The fields are those of the job."""

    inversion: InversionConfig
    networks: int
    codes: int
    seed: int

    def __call__(self, net: Net, _device: torch.device) -> Results:
        """What happened to each code of each network, (networks, codes) bool.

        `recovered`: the search from its start finds it; `recovered_negative`: the better of that search and
        one from -z_hat finds it; `another_code`: the better one finds another code with the same image;
        `full_rank`: the Jacobian of what is seen at z* has full rank, without which codes near it have the
        same image.
        """
        seeds = (Stream.EXPANSIVITY.seed(self.seed, number) for number in range(self.networks))
        each = [self._through(net, seed) for seed in seeds]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def _through(self, net: Net, seed: int) -> Results:
        generator, measurement = net.make(seed), net.measurement(seed)
        random = Stream.EXPANSIVITY_CODES.generator(seed)
        codes, starts = torch.randn(2, self.codes, net.channels[0], generator=random)
        images, ids = generator(codes), torch.arange(self.codes)
        engine = Engine(generator, self.inversion, Normal(codes.shape[1]), measurement, seed, started=True)
        first = engine.invert(images, starts, ids)
        second = engine.invert(images, -first.z, ids)
        other = (second.loss < first.loss)[:, None]
        best, loss = torch.where(other, second.z, first.z), torch.minimum(first.loss, second.loss)
        recovered = _is_recovered(best, codes)
        same_image = loss <= SAME_IMAGE * images.square().flatten(1).mean(1)
        return {
            "recovered": _is_recovered(first.z, codes),
            "recovered_negative": recovered,
            "another_code": same_image & ~recovered,
            "full_rank": _full_rank(generator, codes, measurement),
        }


def _is_recovered(found: Tensor, codes: Tensor) -> Tensor:
    return (found - codes).square().mean(1) < RECOVERED


def _full_rank(net: RandomNet, codes: Tensor, measurement: Measurement) -> Tensor:
    """Whether the Jacobian of what is seen has rank d at each code (n, d): (n,) bool."""
    found = squares(net, codes, measurement=measurement)
    values = torch.cat([torch.linalg.eigvalsh(each) for each in found])
    return values[:, 0] > FULL_RANK**2 * values[:, -1]


@dataclass(frozen=True)
class Found:
    """What became of the codes of one kind of net."""

    net: Net
    shares: dict[str, float]
    """`Recovery`'s results, averaged over networks and codes."""

    @property
    def last_layer(self) -> float:
        """The last layer's expansivity, times the fraction that is seen."""
        return self.net.expansivity[-1]


def half_recovered(curve: list[Found]) -> float | None:
    """The last layer's expansivity at which half of the codes are recovered, interpolated between those tried
    by its logarithm; None if the curve, which rises with it, does not cross a half."""
    points = [(log(each.last_layer), each.shares["recovered_negative"]) for each in curve]
    for (left, low), (right, high) in pairwise(points):
        if low < 0.5 <= high:
            return exp(left + (right - left) * (0.5 - low) / (high - low))
    return None
