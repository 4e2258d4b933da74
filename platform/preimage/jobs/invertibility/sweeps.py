"""What the job `invertibility` varies about its net, one thing at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from preimage.jobs.invertibility.nets import Net
from preimage.models.random_net_kinds import WeightLaw

if TYPE_CHECKING:
    from preimage.jobs.invertibility.recovery import Found

LAWS: dict[WeightLaw, str] = {
    "theorem": "normal",
    "uniform-zero-mean": "uniform, mean zero",
    "rademacher": "+1 or −1",
    "normal": "normal, variance 1",
    "uniform": "uniform on [0, 1]",
}
"""What figures and tables call the weights."""


@dataclass(frozen=True)
class Sweep:
    """Curves over the last layer's channels, each of a kind of net."""

    title: str
    claim: str
    """Where the paper makes it."""
    curves: Mapping[str, tuple[Net, ...]]
    """By a name for metrics; ascending in the last layer's channels."""
    labels: Mapping[str, str]
    """The curves' names for readers."""

    def found(self, results: Mapping[Net, Found]) -> dict[str, list[Found]]:
        """The results of each curve."""
        return {name: [results[net] for net in nets] for name, nets in self.curves.items()}


def over_channels(base: Net, first: tuple[int, ...], last: tuple[int, ...]) -> Sweep:
    """Theorem 1: both layers' channels."""
    code = base.channels[0]
    nets = {str(c): replace(base, channels=(code, c, base.channels[-1])) for c in first}
    return _sweep("Channels of both layers", "theorem 1", nets, {name: f"C₁ = {name}" for name in nets}, last)


def over_weights(base: Net, laws: tuple[WeightLaw, ...], last: tuple[int, ...]) -> Sweep:
    """Conjecture 3: the law of the weights."""
    nets = {law: replace(base, weights=law) for law in laws}
    return _sweep("Weights", "conjecture 3", nets, {law: LAWS[law] for law in laws}, last)


def over_layers(base: Net, layers: tuple[int, ...], last: tuple[int, ...]) -> Sweep:
    """Section 4.2: more layers, the inner ones alike."""
    code, hidden, image = base.channels
    nets = {str(n): replace(base, channels=(code, *[hidden] * (n - 1), image)) for n in layers}
    return _sweep("Number of layers", "section 4.2", nets, {name: f"{name} layers" for name in nets}, last)


def over_filters(base: Net, filters: tuple[tuple[int, int], ...], last: tuple[int, ...]) -> Sweep:
    """Section 4.2: kernel and stride, which theorem 1 wants equal."""
    nets = {f"{kernel}-{stride}": replace(base, kernel=kernel, stride=stride) for kernel, stride in filters}
    labels = {name: f"kernel {each.kernel}, stride {each.stride}" for name, each in nets.items()}
    return _sweep("Kernel and stride", "section 4.2", nets, labels, last)


def over_rates(base: Net, rates: tuple[float, ...], last: tuple[int, ...]) -> Sweep:
    """Theorem 4: the fraction of the pixels that is seen."""
    nets = {f"{rate:g}": replace(base, rate=rate) for rate in rates}
    return _sweep("Sampling rate r", "theorem 4", nets, {name: f"r = {name}" for name in nets}, last)


def _sweep(
    title: str, claim: str, nets: dict[str, Net], labels: dict[str, str], last: tuple[int, ...]
) -> Sweep:
    curves = {name: tuple(net.with_last(each) for each in sorted(last)) for name, net in nets.items()}
    return Sweep(title, claim, curves, labels)
