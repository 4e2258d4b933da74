"""The metrics of an analyze-codes job, and its table, beside the paper's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from preimage.figures.tables import markdown
from preimage.jobs.analyze_codes.job import prefix
from preimage.jobs.published import CLUSTER_RATIOS
from preimage.metrics.clusters import ClassRatios
from preimage.metrics.disagreement import Distance
from preimage.metrics.pag import PagResult


@dataclass(frozen=True)
class Separation:
    """How far apart the classes of codes lie; None where there are no classes."""

    in_map: ClassRatios | None
    in_codes: ClassRatios | None
    by_chance: ClassRatios | None
    """The ratios for labels that say nothing of the codes."""
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

    classes: Mapping[str, Separation]
    """By `trained`, and `untrained` and `settled` where these stores are given."""
    spectra: Mapping[str, PagResult]
    """By the same names, and `normal`: as many codes drawn from the prior; none where a PAG is infinite."""
    samples: Mapping[str, PriorSamples]
    """The `farthest`, the `nearest`, and `all`."""
    distance: Distance
    own: str = "trained"
    """What tables call the codes of `trained`."""
    remark: str = ""
    """What differs from the paper's images, and what is left out."""

    def metrics(self) -> dict[str, Any]:
        """As the job declares them; without ratios where there are no classes."""
        found: dict[str, Any] = {}
        for name, each in self.classes.items():
            places = {"": each.in_map, "_codes": each.in_codes, "_chance": each.by_chance}
            for place, ratios in places.items():
                if ratios:
                    values = ratios._asdict().items()
                    found |= {f"{prefix(name)}{kind}_ratio{place}": value for kind, value in values}
            found[f"{prefix(name)}codes"] = each.codes
        found |= {f"{prefix(name)}pag": each.pag for name, each in self.spectra.items()}
        for name, each in self.samples.items():
            found[f"{name}_distance"] = each.distances.mean().item()
            found[f"{name}_log_likelihood"] = each.log_likelihoods.mean().item()
        return found

    def table(self) -> str:
        """Markdown."""
        about = self._about_samples()
        spread = [_SPREAD, self._pags()] if self.spectra else []
        parts = [_CLASSES, self._ratios(), self.remark, about, self._samples(), *spread]
        return "\n\n".join(filter(None, parts)) + "\n"

    def _ratios(self) -> str:
        rows = [["generator", "codes", "ratio", "in the map", "the paper's", "of the codes", "by chance"]]
        for name, each in self.classes.items():
            places = (each.in_map, each.in_codes, each.by_chance)
            for kind, title in KINDS.items():
                ours = ["no classes" if one is None else f"{getattr(one, kind):.2f}" for one in places]
                paper = f"{CLUSTER_RATIOS.values['trained' if name == 'trained' else 'untrained']}"
                rows.append([self._name(name), f"{each.codes:,}", title, ours[0], paper, *ours[1:]])
        return markdown(rows)

    def _name(self, name: str) -> str:
        return self.own if name == "trained" else NAMES[name]

    def _about_samples(self) -> str:
        return (
            "Samples of the prior N(0, I) (flexible-priors, section 4.2, which prints no numbers), by their "
            f"distance to {DISTANCES[self.distance]}: that distance, and how likely they are under the "
            "prior, in nats. The least, the **mean** and the largest."
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
            rows.append([self._name(name), f"{each.count:,}", f"{each.pag:.3f}", *ends])
        return markdown(rows)


NAMES = {
    "untrained": "untrained, BatchNorm initial",
    "settled": "untrained, BatchNorm settled",
    "normal": "normal",
}
KINDS = {"scatter": "scatter", "centroid": "centroids"}
"""What the table calls the two ratios."""
_CLASSES = (
    "How far apart the classes lie, in a t-SNE map, as in flexible-priors, figure 2 (1,024 MNIST digits; the "
    "paper gives neither a formula nor the map's settings, which move it), and in the codes themselves. "
    "Scatter: the squared distances between classes over those within, tr(B) / tr(W). Centroids: the mean "
    "distance between two classes' means over that of a code to its own. The paper's is more plausibly the "
    "first, with a generator that never saw a batch: mean 0 and variance 1 in each BatchNorm. Settled: the "
    "same weights, with the statistics of the BatchNorms' own inputs. By chance: of labels that say nothing "
    "of the codes."
)
_SPREAD = (
    "How the codes spread (flexible-priors, appendix D and eq. 2), beside as many codes drawn from the "
    "prior: the lower PAG, the more they are like these. A smallest singular value near zero would mean "
    "codes of fewer dimensions."
)


DISTANCES: dict[Distance, str] = {
    "nearest": "the nearest found code (the paper's is the mean squared one to all: distance=mean)",
    "mean": "all found codes, the root of the mean square, which orders them like the paper's",
}


def _range(values: Tensor) -> str:
    return f"{values.min():.2f}, **{values.mean():.2f}**, {values.max():.2f}"
