"""The outcome of an `induced-prior` job: metrics for programs, a table for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from preimage.data.config import DataConfig
from preimage.figures.tables import markdown
from preimage.jobs.published import INDUCED_PAG, closest
from preimage.metrics.pag import PagResult

STAGE_METRICS = (
    "pag",
    "pag_raw",
    "pag_normal",
    "pag_normal_raw",
    "pag_n",
    "code_norm",
    "prior_norm",
    "reconstruction_error",
)
"""Metrics of each stage, before its scores; `prior` is a name."""


@dataclass(frozen=True)
class Stage:
    """A generator at one stage, with what was measured of it."""

    name: str
    prior: str
    pag: PagResult
    """Against the prior that it was trained with."""
    normal: PagResult
    """Against N(0, I)."""
    prior_norm: float
    """Root of the mean squared norm of the prior's codes; see `code_norm`."""
    error: float
    scores: dict[str, float]

    @property
    def code_norm(self) -> float:
        """Root of the mean squared norm of the codes found."""
        return (self.normal.singular_values.square().sum() / self.normal.count).sqrt().item()

    @property
    def score(self) -> float | None:
        """The classifier's score, where one scored."""
        return next((value for name, value in self.scores.items() if name.endswith("_score")), None)

    def metrics(self) -> dict[str, Any]:
        values = (
            self.pag.pag,
            self.pag.pag_raw,
            self.normal.pag,
            self.normal.pag_raw,
            self.pag.count,
            self.code_norm,
            self.prior_norm,
            self.error,
        )
        measured = dict(zip(STAGE_METRICS, values, strict=True))
        return {"prior": self.prior} | measured | self.scores


@dataclass(frozen=True)
class InducedPriorReport:
    """All stages: the first generator, each round's, then the control where there is one."""

    stages: Sequence[Stage]
    rounds: int
    data: DataConfig | None = None
    """The images that the first generator was trained on, if it says."""

    def metrics(self) -> dict[str, Any]:
        """`before`, and `after` the last round; all stages, the control among them, under `stages`."""
        found: dict[str, Any] = {"rounds": self.rounds}
        for when, stage in (("before", self.stages[0]), ("after", self.stages[self.rounds])):
            found |= {f"pag_{when}": stage.pag.pag, f"pag_normal_{when}": stage.normal.pag}
            if stage.score is not None:
                found[f"score_{when}"] = stage.score
        return found | {"stages": {each.name: each.metrics() for each in self.stages}}

    def table(self) -> str:
        """Markdown: a column for each stage."""
        stages = self.stages
        lines: dict[str, list[str]] = {
            "codes drawn from": [each.prior for each in stages],
            "PAG": [f"{each.pag.pag:.3f}" for each in stages],
            "PAG against N(0, I)": [f"{each.normal.pag:.3f}" for each in stages],
            "the same, raw": [f"{each.normal.pag_raw:,.0f}" for each in stages],
            "norm of the codes found": [f"{each.code_norm:.2f}" for each in stages],
            "norm of the prior's": [f"{each.prior_norm:.2f}" for each in stages],
            "error per pixel": [f"{each.error:.4f}" for each in stages],
        }
        for name in stages[0].scores:
            lines[name.replace("_", " ")] = [f"{each.scores[name]:.3f}" for each in stages]
        rows = [["", *(each.name for each in stages)], *([name, *cells] for name, cells in lines.items())]
        parts = [_EXPLAINED.format(count=stages[0].pag.count), markdown(rows), self._paper()]
        return "\n\n".join(filter(None, parts)) + "\n"

    def _paper(self) -> str:
        """The paper's numbers, if it has some of these images, and what differs from its images."""
        published = closest(INDUCED_PAG, self.data) if self.data else None
        if not published or not self.data:
            return ""
        return f"{_PAPER.format(**published.values)} {published.remark(self.data)}".rstrip()


_EXPLAINED = (
    "A generator before and after rounds of: find the codes of {count:,} images, learn their distribution, "
    "go on training with codes drawn from it. PAG: the divergence of the codes' Gaussian from that of the "
    "prior that the generator was trained with; lower is better (eq. 2, in coordinates in which that prior "
    "is N(0, I)). Raw: eq. 2 as the paper computes it, from N(0, I), of singular values that grow with the "
    "number of codes, and falls when the codes shrink. The control was trained as long as the first round, "
    "with the prior it had. Norms are roots of mean squares."
)
_PAPER = (
    "In the paper (flexible-priors, figure 5), of an unstated number of codes of these images, raw PAG falls "
    "from {before:,} to {after:,} in one round."
)
