"""The metrics and the table of a `recover-partial` job, beside what the paper says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from preimage.figures.tables import markdown
from preimage.inversion.masks import HALVES

if TYPE_CHECKING:
    from preimage.metrics.normality import Normality

MASKS = ("random", *HALVES)
"""The paper's five."""
FAMILIES = (*MASKS, "gaussian")
"""The ways of sampling whose rates are swept."""


@dataclass(frozen=True)
class MeasurementResult:
    """What one measurement gave."""

    recovered: float
    """The fraction of codes recovered."""
    z_error: float
    """The squared error of a code, averaged over its components: the median over images."""
    hidden_error: float
    """The squared error of the pixels not seen, averaged over them and over images."""
    evaluations: float
    """Generator evaluations an image."""
    diverged: int
    smallest: float | None = None
    """The smallest eigenvalue of J J^T / m, J the Jacobian of the m numbers observed: the median over codes;
    None without a Jacobian."""
    condition: float | None = None
    """The largest eigenvalue over the smallest, likewise."""


@dataclass(frozen=True)
class RecoverPartialReport:
    """The whole job."""

    images: int
    threshold: float
    latent_dim: int
    numbers: int
    """Of an image: pixels times channels."""
    measurements: Mapping[str, MeasurementResult]
    rates: Mapping[str, Mapping[float, float]]
    """The fraction recovered, by way of sampling and fraction of the image seen."""
    fits: Mapping[str, Normality]
    """By layer of the generator."""
    diverged: int
    remark: str = ""
    """What differs from the paper's settings."""

    def metrics(self) -> dict[str, Any]:
        return {
            "images": self.images,
            **{f"recovered_{name}": each.recovered for name, each in self.measurements.items()},
            **{f"hidden_error_{name}": each.hidden_error for name, each in self.measurements.items()},
            **{f"half_recovered_{name}": half_recovered(line) for name, line in self.rates.items()},
            "diverged": self.diverged,
            "recovered_by_rate": {
                name: {f"{share:.4g}": value for share, value in line.items()}
                for name, line in self.rates.items()
            },
            "conditioning": {
                name: {"smallest_eigenvalue": each.smallest, "condition": each.condition}
                for name, each in self.measurements.items()
            },
            "normality": {
                name: asdict(fit) | {"ks_normal": fit.ks_normal} for name, fit in self.fits.items()
            },
        }

    def table(self) -> str:
        """Markdown."""
        parts = [
            self.remark,
            f"{self.images} codes drawn from the prior. Recovered: the squared error of the code, averaged "
            f"over its components, is below {self.threshold:g}. The smallest eigenvalue and the condition "
            "are those of J J^T / m, J the Jacobian of the m numbers observed: medians over codes, or - "
            "where J could not be computed. An operator shows no pixel by itself: all count as hidden.",
            self._by_measurement(),
            "Recovered by fraction of the image seen. The paper: a phase transition for every way of "
            "sampling, at a lower rate for dispersed ones. gaussian: m random sums of all "
            f"{self.numbers:,} numbers of the image, by m / {self.numbers:,}. Fewer than the code's "
            f"{self.latent_dim} components leave it undetermined; some multiple of {self.latent_dim} L log w "
            "suffices, for L layers of width w (Bora et al. 2017, theorem 1.1).",
            self._by_rate(),
            "Weights by layer. The paper: roughly normal with mean zero. Normal draws stay below the KS "
            "bound in 95% of cases. Training here begins with normal weights: this is what became of them.",
            self._by_layer(),
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    def _by_measurement(self) -> str:
        errors = ["code's error", "hidden pixels' error"]
        spectrum = ["smallest eigenvalue", "condition"]
        rows = [["measurement", "recovered", "paper", *errors, "evaluations an image", *spectrum]]
        for name, each in self.measurements.items():
            paper = "all" if name in MASKS else ""
            cells = [f"{each.z_error:.1e}", f"{each.hidden_error:.1e}", f"{each.evaluations:,.0f}"]
            cells += ["-" if each.smallest is None else f"{each.smallest:.1e}"]
            cells += ["-" if each.condition is None else f"{each.condition:,.0f}"]
            rows.append([name, f"{each.recovered:.0%}", paper, *cells])
        return markdown(rows)

    def _by_rate(self) -> str:
        rows = [["share seen", *self.rates]]
        for share in sorted({share for line in self.rates.values() for share in line}):
            cells = [f"{line[share]:.0%}" if share in line else "" for line in self.rates.values()]
            rows.append([f"{share:.2%}", *cells])
        halves = [half_recovered(line) for line in self.rates.values()]
        rows.append(
            ["**half recovered at**", *("never" if each is None else f"{each:.1%}" for each in halves)]
        )
        return markdown(rows)

    def _by_layer(self) -> str:
        rows = [["layer", "weights", "mean / std", "KS distance", "KS bound", "excess kurtosis"]]
        for name, fit in self.fits.items():
            distances = [f"{fit.offset:.3f}", f"{fit.ks:.4f}", f"{fit.ks_normal:.4f}"]
            rows.append([name, f"{fit.count:,}", *distances, f"{fit.excess_kurtosis:.2f}"])
        return markdown(rows)


def half_recovered(line: Mapping[float, float]) -> float | None:
    """The fraction of the image at which recovery first reaches one half, with straight lines between the
    fractions tried; None if it never does."""
    points = sorted(line.items())
    if points and points[0][1] >= 0.5:
        return points[0][0]
    for (a, low), (b, high) in pairwise(points):
        if high >= 0.5:
            return a + (b - a) * (0.5 - low) / (high - low)
    return None
