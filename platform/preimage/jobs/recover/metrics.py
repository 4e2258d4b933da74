"""The names of a recover job's metrics."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from preimage.inversion.config import InversionConfig, follows_local_rate
from preimage.inversion.reasons import Reason
from preimage.jobs.base import Metrics, others

OF_GENERATOR = (
    "smallest_eigenvalue",
    "smallest_eigenvalue_worst",
    "largest_eigenvalue",
    "condition_number",
    "stability_limit",
)


REASONS: tuple[str, ...] = (*get_args(Reason), "unknown")
"""Why a code was not recovered; `unknown` where the generator has no Jacobian in float64."""
TITLES: dict[str, str] = {
    "none": "no clipping",
    "clip": "standard clipping",
    "stochastic-clip": "stochastic clipping",
    "ball": "unit ball",
}
UNRECOVERED = ("codes", "at_bounds", "components_at_bounds", *(name.replace(" ", "_") for name in REASONS))
"""Of a way's codes that were not recovered."""


def predictable(inversions: Mapping[str, InversionConfig]) -> dict[str, InversionConfig]:
    """Those that the local rate describes from a start that is known without a search."""
    return {
        name: each
        for name, each in inversions.items()
        if follows_local_rate(each) and each.init_codes != "regression"
    }


def condition_metrics(inversions: Mapping[str, InversionConfig], thresholds: Sequence[str]) -> Metrics:
    """thresholds: their names in nested metrics."""
    names = [f"predicted.{name}.{key}" for name in predictable(inversions) for key in thresholds]
    names += [
        f"predicted_steps.{name}.{key}" for name in predictable(inversions) for key in ("median", "worst")
    ]
    return (*others("conditioning", is_text=True), *others(*OF_GENERATOR, *names, may_be_absent=True))


class Way(NamedTuple):
    """How codes are searched for."""

    inversion: str
    """Its name among the job's `inversions`."""
    technique: str
    """The constraint."""

    @property
    def title(self) -> str:
        return f"{self.inversion}, {TITLES[self.technique]}"


def number_key(number: float) -> str:
    """A threshold or a variance as a key of nested metrics."""
    return f"{number:g}"
