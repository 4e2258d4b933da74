"""The outcome of a `compare-priors` job: metrics for programs, a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from preimage.figures.tables import markdown

if TYPE_CHECKING:
    from preimage.latents.held_out import Likelihood

TRAINING = "training codes"
"""The row of codes that were not held out: no prior's draws can be expected to be nearer."""

LIKELIHOODS = ("held_out_log_likelihood", "held_out_outside")
"""Metrics of each prior."""
DISTANCES = ("energy_distance", "energy_distance_std", "frechet_distance", "frechet_distance_std")
"""Metrics of each row."""


class Spread(NamedTuple):
    """A metric over repeated draws."""

    mean: float
    std: float
    """With ddof 0."""

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.std:.4f}"


class PriorRow(NamedTuple):
    """What was measured of a prior, or of the training codes."""

    energy: Spread
    frechet: Spread
    likelihood: Likelihood | None = None
    """Of the held-out codes; None for the training codes."""


@dataclass(frozen=True)
class ComparePriorsReport:
    """All rows, in any order."""

    measured: Mapping[str, PriorRow]
    codes: int
    """Held-out codes that draws were compared with; as many were drawn each time."""
    repeats: int

    @property
    def rows(self) -> dict[str, PriorRow]:
        """The nearest first."""
        return dict(sorted(self.measured.items(), key=lambda each: each[1].energy.mean))

    def metrics(self) -> dict[str, Any]:
        rows = self.rows
        found = {name: row.likelihood for name, row in rows.items() if row.likelihood}
        known = {name: each.mean for name, each in found.items() if each.mean is not None}
        likelihoods = {name: (each.mean, each.outside) for name, each in found.items()}
        distances = {name: (*row.energy, *row.frechet) for name, row in rows.items()}
        return {
            "nearest": next(iter(found)),
            "likeliest": max(known, key=known.__getitem__) if known else None,
            "codes": self.codes,
            "repeats": self.repeats,
            **_by_metric(LIKELIHOODS, likelihoods),
            **_by_metric(DISTANCES, distances),
        }

    def table(self) -> str:
        """Markdown."""
        head = ["prior", "energy distance", "Fréchet distance", "held-out log-likelihood (nats a code)"]
        rows = [
            [name, str(row.energy), str(row.frechet), _likelihood(row.likelihood)]
            for name, row in self.rows.items()
        ]
        return f"{self._about()}\n\n{markdown([head, *rows])}\n"

    def _about(self) -> str:
        return (
            f"Distances of {self.codes:,} held-out codes from as many draws of each prior: mean ± standard "
            f"deviation over {self.repeats} draws. As many training codes are as near as a prior can be "
            "expected to come: the energy distance is unbiased and may be just below 0 there, the Fréchet "
            "distance of few codes is above 0."
        )


def _by_metric(
    metrics: Sequence[str], rows: Mapping[str, Sequence[float | None]]
) -> dict[str, dict[str, float | None]]:
    """Each metric by row, of rows that hold all of them in this order."""
    return {metric: {name: values[i] for name, values in rows.items()} for i, metric in enumerate(metrics)}


def _likelihood(found: Likelihood | None) -> str:
    if found is None:
        return ""
    if found.reason:
        return f"none: {found.reason}"
    return f"{found.mean:.2f}" if found.mean is not None else f"-∞: {found.outside:.2%} are outside"
