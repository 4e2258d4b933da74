"""The metrics of an analyze-codes job, and its table, beside the paper's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from preimage.figures.tables import markdown
from preimage.jobs.published import CLUSTER_RATIOS
from preimage.metrics.pag import PagResult


@dataclass(frozen=True)
class ClusterRatios:
    """Distances between classes over distances within them; None where there are no classes."""

    in_map: float | None
    in_codes: float | None
    by_chance: float | None
    """The ratio for labels that say nothing of the codes."""
    codes: int
    """How many codes these are."""


class PriorSamples(NamedTuple):
    """Samples of the prior, ordered by their distance to the codes that were found."""

    codes: Tensor
    """(n, d)"""
    distances: Tensor
    """(n,)"""
    log_likelihoods: Tensor
    """(n,), under the prior, in nats."""


@dataclass(frozen=True)
class AnalyzeCodesReport:
    """What the figures show, in numbers."""

    ratios: Mapping[str, ClusterRatios]
    """By `trained`, and `untrained` where that store is given."""
    spectra: Mapping[str, PagResult]
    """By the same names, and `normal`: as many codes drawn from the prior."""
    samples: Mapping[str, PriorSamples]
    """The `farthest`, the `nearest`, and `all`."""
    distance_to: str
    """What the distances are measured to."""
    remark: str = ""
    """What differs from the paper's images."""

    def metrics(self) -> dict[str, Any]:
        """As the job declares them; without ratios where there are no classes."""
        found: dict[str, Any] = {}
        for name, each in self.ratios.items():
            prefix = _prefix(name)
            found |= {
                f"{prefix}cluster_ratio": each.in_map,
                f"{prefix}cluster_ratio_codes": each.in_codes,
                f"{prefix}cluster_ratio_chance": each.by_chance,
                f"{prefix}codes": each.codes,
            }
        found |= {f"{_prefix(name)}pag": each.pag for name, each in self.spectra.items()}
        for name, each in self.samples.items():
            found[f"{name}_distance"] = each.distances.mean().item()
            found[f"{name}_log_likelihood"] = each.log_likelihoods.mean().item()
        return {name: value for name, value in found.items() if value is not None}

    def table(self) -> str:
        """Markdown."""
        about = self._about_samples()
        parts = [_CLASSES, self._ratios(), self.remark, about, self._samples(), _SPREAD, self._pags()]
        return "\n\n".join(filter(None, parts)) + "\n"

    def _ratios(self) -> str:
        rows = [["generator", "codes", "ratio in the map", "the paper's", "ratio of the codes", "by chance"]]
        for name, each in self.ratios.items():
            ratios = (
                _number(each.in_map),
                f"{CLUSTER_RATIOS.values[name]}",
                _number(each.in_codes),
                _number(each.by_chance),
            )
            rows.append([name, f"{each.codes:,}", *ratios])
        return markdown(rows)

    def _about_samples(self) -> str:
        return (
            "Samples of the prior N(0, I) (flexible-priors, section 4.2, which prints no numbers): their "
            f"distance to {self.distance_to}, and how likely they are under the prior, in nats. The least, "
            "the **mean** and the largest."
        )

    def _samples(self) -> str:
        rows = [["samples", "number", "distance", "log-likelihood"]]
        for name, each in self.samples.items():
            ranges = _range(each.distances), _range(each.log_likelihoods)
            rows.append([name, f"{len(each.codes):,}", *ranges])
        return markdown(rows)

    def _pags(self) -> str:
        rows = [["codes", "number", "PAG", "largest singular value / √N", "smallest"]]
        for name, each in self.spectra.items():
            values = each.singular_values / each.count**0.5
            ends = f"{values[0]:.3f}", f"{values[-1]:.3f}"
            rows.append([name, f"{each.count:,}", f"{each.pag:.3f}", *ends])
        return markdown(rows)


_CLASSES = (
    "Distance between the centroids of two classes, over that of a code to its own centroid: in a t-SNE map, "
    "as in flexible-priors, figure 2 (1,024 MNIST digits; the paper gives neither a formula nor the map's "
    "settings, which move it), and of the codes themselves. By chance: of labels that say nothing of the "
    "codes, 0.14 for a hundred codes of each class."
)
_SPREAD = (
    "How the codes spread (flexible-priors, appendix D and eq. 2), beside as many codes drawn from the "
    "prior: the lower PAG, the more they are like these. A smallest singular value near zero would mean "
    "codes of fewer dimensions."
)


def _prefix(name: str) -> str:
    return "" if name == "trained" else f"{name}_"


def _number(value: float | None) -> str:
    return "no classes" if value is None else f"{value:.2f}"


def _range(values: Tensor) -> str:
    return f"{values.min():.2f}, **{values.mean():.2f}**, {values.max():.2f}"
