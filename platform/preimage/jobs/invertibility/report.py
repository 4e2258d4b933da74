"""The metrics and tables of the job `invertibility`, beside what the paper says."""

from dataclasses import dataclass
from typing import Any

from preimage.figures.tables import markdown
from preimage.jobs.invertibility.directions import STATIONARY, Directed
from preimage.jobs.invertibility.recovery import RECOVERED, Found, half_recovered
from preimage.jobs.invertibility.sweeps import Sweep

SWEEP_COLUMNS = (
    "channels",
    "side",
    "first layer's expansivity",
    "last layer's, times r",
    "recovered",
    "with a restart from -z_hat",
    "same image, another code",
    "Jacobian of full rank",
)
DIRECTION_COLUMNS = (
    "C1, C2",
    "fraction seen",
    "expansivity",
    "J stationary",
    "stuck",
    "epsilon that holds 95% of ends",
    "lowest slope",
    "median slope",
    "mean cosine of descent and z* - z",
    "leads away from z*",
    "mean cosine of descent and its expectation",
    "J does not fall from 0",
    "lowest cosine of images",
)


@dataclass(frozen=True)
class InvertibilityReport:
    """What was found, and how."""

    sweeps: dict[str, tuple[Sweep, dict[str, list[Found]]]]
    directed: list[Directed]
    recovered_by: str
    """How codes were searched for."""
    directed_by: str
    """The same for the descents of `directed`."""

    def curves(self, name: str) -> dict[str, list[Found]]:
        """Of one sweep."""
        return self.sweeps[name][1]

    def metrics(self) -> dict[str, Any]:
        """As the job declares them."""
        return {
            **self._headline(),
            "recovered": {
                name: {
                    key: {str(each.net.channels[-1]): _found(each) for each in row}
                    for key, row in curves.items()
                }
                for name, (_, curves) in self.sweeps.items()
            },
            "half_recovered": {
                name: {key: half_recovered(row) for key, row in curves.items()}
                for name, (_, curves) in self.sweeps.items()
            },
            "directions": self._directions(),
        }

    def _headline(self) -> dict[str, float | None]:
        every = [each for _, curves in self.sweeps.values() for row in curves.values() for each in row]
        expansive = [each for each in every if min(each.net.expansivity) >= 1]
        halves = {row[0].net.rate: half_recovered(row) for row in self.curves("rates").values()}
        ends = {"narrowest": self.directed[0].net, "widest": self.directed[-1].net}
        return {
            "recovered_expansive": min(map(_found, expansive), default=None),
            "another_code_expansive": max((each.shares["another_code"] for each in expansive), default=None),
            "half_recovered_ratio": _ratio(list(halves.values())),
            "half_recovered_ratio_unscaled": _ratio([half and half / rate for rate, half in halves.items()]),
            **{
                f"{name}_{end}": max(
                    each.summary()[name] for each in self.directed if each.net.channels == net.channels
                )
                for name in ("stuck", "zero")
                for end, net in ends.items()
            },
        }

    def _directions(self) -> dict[str, dict[str, dict[str, float]]]:
        """By channels and rate."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for each in self.directed:
            channels = "-".join(map(str, each.net.channels[1:]))
            found.setdefault(channels, {})[f"{each.net.rate:g}"] = each.summary()
        return found

    def table(self) -> str:
        """Markdown."""
        sweeps = [self._sweep_table(*each) for each in self.sweeps.values()]
        about = (
            "A layer of C channels, after one of C', with a kernel of l pixels has the expansivity "
            "C l / (C' log C'). The theorems ask for more than a constant that they do not state; theorem 4 "
            "of the last layer times r, the fraction of the pixels that is seen."
        )
        return "\n".join(["# Random ReLU nets", "", about, "", *sweeps, self._directions_table()])

    def _sweep_table(self, sweep: Sweep, curves: dict[str, list[Found]]) -> str:
        rows: list[list[str]] = [["", *SWEEP_COLUMNS]]
        for key, curve in curves.items():
            rows += [[sweep.labels[key], *_row(each)] for each in curve]
        about = (
            f"{self.recovered_by}, from a random start and again from -z_hat. Recovered: squared error below "
            f"{RECOVERED:g}, averaged over components."
        )
        return f"## {sweep.title} ({sweep.claim})\n\n{about}\n\n{markdown(rows)}\n"

    def _directions_table(self) -> str:
        config = self.directed[0].config
        rows: list[list[str]] = [[*DIRECTION_COLUMNS]]
        for each in self.directed:
            found, net = each.summary(), each.net
            rows.append(
                [f"{net.channels[1]}, {net.channels[2]}", f"{net.rate:.3g}", _ratios(net.expansivity)]
                + [f"{found[name]:.2%}" for name in ("stationary", "stuck")]
                + [f"{found[name]:.3f}" for name in ("epsilon", "slope", "slope_median", "cosine")]
                + [f"{found['leads_away']:.2%}", f"{found['expected']:.3f}"]
                + [f"{found['zero']:.2%}", f"{found['image_cosine']:.3f}"]
            )
        about = (
            f"{self.directed_by}. Codes z on {config.radii} radii up to {config.reach:g} |z*| and "
            f"{config.angles} angles from z* to -z*, outside the balls of radius {config.epsilon:g} |z*| "
            "around z* and -z*/pi. The slope is |grad J| |z - z*| / (2 J): 1 in a round bowl. Below "
            f"{STATIONARY:g} J counts as stationary, which violates equation 4. Stuck: a descent from z ends "
            "outside of the balls, in a place that equation 4 rules out. Where J does not fall from 0 along "
            "z, the images of z and z* have nothing in common, which violates equation 5; in wide nets their "
            "cosine is at least 1/pi = 0.318."
        )
        return f"## Directions of descent (theorem 1, equations 4 and 5)\n\n{about}\n\n{markdown(rows)}\n"


def _row(found: Found) -> list[str]:
    net, columns = found.net, ("recovered", "recovered_negative", "another_code", "full_rank")
    shares = [f"{found.shares[name]:.1%}" for name in columns]
    channels = "-".join(map(str, net.channels))
    return [channels, f"{net.side} px", f"{net.expansivity[0]:.2f}", f"{found.last_layer:.2f}", *shares]


def _found(found: Found) -> float:
    return found.shares["recovered_negative"]


def _ratio(halves: list[float | None]) -> float | None:
    known = [each for each in halves if each]
    return max(known) / min(known) if known and len(known) == len(halves) else None


def _ratios(expansivity: tuple[float, ...]) -> str:
    return ", ".join(f"{each:.2f}" for each in expansivity)
