"""The outcome of an `induced-prior` job: metrics for programs, a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preimage.data.config import DataConfig
from preimage.figures.tables import markdown
from preimage.jobs.published import INDUCED_PAG, closest

if TYPE_CHECKING:
    from preimage.metrics.pag import PagResult

BEFORE, CONTROL = "before", "control"
"""The names of the first stage and of the control."""
LEARNED = " + learned prior"
"""What follows the name of a stage whose generator, unchanged, draws codes from the next round's prior."""

OF_THE_ENDS = ("pag", "pag_held_out", "pag_normal")
"""Metrics that also stand for themselves, of the stages before and after."""

STAGE_METRICS = (
    "pag",
    "pag_raw",
    "pag_held_out",
    "pag_held_out_n",
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
    learned: bool
    """Whether it draws its codes from a prior learned from them, of which its training knew nothing."""
    pag: PagResult
    """Against the prior that its codes are drawn from."""
    held_out: PagResult | None
    """The same of the images that no prior was fitted to, if there are enough."""
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
            self.held_out and self.held_out.pag,
            self.held_out and self.held_out.count,
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
    latent_dim: int
    data: DataConfig | None = None
    """The images that the first generator was trained on, if it says."""

    def metrics(self) -> dict[str, Any]:
        """`before`, `learned_prior` and `after`: see the job; all stages, the control among them, under
        `stages`."""
        stages = {each.name: each.metrics() for each in self.stages}
        ends = {"before": self.stages[0]}
        if self.rounds:
            ends["learned_prior"] = [each for each in self.stages if each.learned][-1]
        ends["after"] = [each for each in self.stages if each.name != CONTROL][-1]
        found: dict[str, Any] = {"rounds": self.rounds, "pag_by_chance": self._by_chance()}
        for end, stage in ends.items():
            found |= {f"{metric}_{end}": stages[stage.name][metric] for metric in OF_THE_ENDS}
            if stage.score is not None:
                found[f"score_{end}"] = stage.score
        return found | {"stages": stages}

    def table(self) -> str:
        """Markdown: a column for each stage."""
        stages, held_out = self.stages, [each.held_out for each in self.stages]
        lines: dict[str, list[str]] = {
            "codes drawn from": [each.prior for each in stages],
            "PAG": [f"{each.pag.pag:.3f}" for each in stages],
            "PAG, held-out images": [f"{each.pag:.3f}" if each else "-" for each in held_out],
            "PAG against N(0, I)": [f"{each.normal.pag:.3f}" for each in stages],
            "the same, raw": [f"{each.normal.pag_raw:,.0f}" for each in stages],
            "norm of the codes found": [f"{each.code_norm:.2f}" for each in stages],
            "norm of the prior's": [f"{each.prior_norm:.2f}" for each in stages],
            "error per pixel": [f"{each.error:.4f}" for each in stages],
        }
        for name in stages[0].scores:
            lines[name.replace("_", " ")] = [f"{each.scores[name]:.3f}" for each in stages]
        rows = [["", *(each.name for each in stages)], *([name, *cells] for name, cells in lines.items())]
        explained = _EXPLAINED.format(count=stages[0].pag.count)
        parts = [explained, markdown(rows), self._baseline(), self._paper()]
        return "\n\n".join(filter(None, parts)) + "\n"

    def _by_chance(self) -> float | None:
        """The PAG that as many codes of a Gaussian prior itself would have as there are held-out images."""
        from preimage.metrics.pag import expected_pag

        held_out = self.stages[0].held_out
        return held_out and expected_pag(held_out.count, self.latent_dim)

    def _baseline(self) -> str:
        """How much of each round's fall of PAG is the fit alone."""
        found = [each.held_out.pag for each in self.stages if each.name != CONTROL and each.held_out]
        held_out = self.stages[0].held_out
        if not self.rounds or not held_out or len(found) < 2 * self.rounds + 1:
            return ""
        said = [
            f"In round {i} it goes from {before:.3f} to {fitted:.3f} by exchanging the prior alone, "
            f"and to {after:.3f} by training with it."
            for i, (before, fitted, after) in enumerate(
                zip(found[:-1:2], found[1::2], found[2::2], strict=True), 1
            )
        ]
        return _BASELINE.format(count=held_out.count, chance=self._by_chance(), said=" ".join(said))

    def _paper(self) -> str:
        """The paper's numbers, if it has some of these images, and what differs from its images."""
        published = closest(INDUCED_PAG, self.data) if self.data else None
        if not published or not self.data:
            return ""
        return f"{_PAPER.format(**published.values)} {published.remark(self.data)}".rstrip()


_EXPLAINED = (
    "A generator before and after rounds of: find the codes of {count:,} images, learn their distribution, "
    "go on training with codes drawn from it. `+ learned prior` is the generator of the column before it, "
    "unchanged, with codes drawn from the prior learned from its own: what the prior does without training. "
    "PAG: the divergence of the codes' Gaussian from that of the prior that codes are drawn from; lower is "
    "better (eq. 2, in coordinates in which that prior is N(0, I)). Raw: eq. 2 as the paper computes it, "
    "from N(0, I), of singular values that grow with the number of codes, and falls when the codes shrink. "
    "The control was trained as long as the first round, with the prior it had. Norms are roots of mean "
    "squares."
)
_BASELINE = (
    "A prior agrees with the codes it was fitted to, whatever their generator: by construction, "
    "`+ learned prior` has a low PAG. Compare that of the {count:,} images whose codes no prior was fitted "
    "to; as many codes of a Gaussian prior itself have {chance:.3f} by chance. {said}"
)
_PAPER = (
    "In the paper (flexible-priors, figure 5), of an unstated number of codes of these images, raw PAG falls "
    "from {before:,} to {after:,} in one round."
)
