"""Which trials stop early: what Optuna's pruners decide, as functions of curves alone.

A trial is compared with trials that had ended when it began (see `searcher`), so that its result does not
depend on how fast others are. The rules are those of optuna.pruners.SuccessiveHalvingPruner and MedianPruner.
Optuna's own classes need their study at hand, which a worker on another machine does not have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from statistics import median

from preimage.runs.run_folder import RunFolder
from preimage.specs.search import SchedulerConfig
from preimage.tuning.records import TrialRecord

Curve = Sequence[tuple[int, float]]
"""(images seen, the scheduler's metric), in the order of images."""


@dataclass(frozen=True)
class Others:
    """The trials that one is compared with."""

    all: tuple[Curve, ...] = ()
    complete: tuple[Curve, ...] = ()

    @classmethod
    def of(cls, records: Sequence[TrialRecord]) -> "Others":
        complete = tuple(each.intermediate for each in records if each.state == "complete")
        return cls(tuple(each.intermediate for each in records), complete)


@dataclass(frozen=True)
class Rule:
    """When a trial stops early."""

    config: SchedulerConfig
    lowest: bool
    """Whether the lowest value of the metric is the best."""
    others: Others

    def reason(self, curve: Curve) -> str | None:
        """Why a trial with this curve stops at its last point; None if it continues."""
        if not curve or self.config.name == "none" or self.config.min_resource is None:
            return None
        return self._asha(curve) if self.config.name == "asha" else self._median(curve)

    def cut(self, curve: Curve) -> tuple[Curve, str | None]:
        """A curve up to where the trial would have stopped, and why; None if it would not."""
        for i in range(1, len(curve) + 1):
            if reason := self.reason(curve[:i]):
                return curve[:i], reason
        return curve, None

    def _asha(self, curve: Curve) -> str | None:
        """The trial stops at a rung if it is not in the best 1/reduction_factor of those that reached it.

        If one record passes several rungs, a trial that stopped counts at all of them. In Optuna it counts
        only up to the rung where it stopped. To avoid the difference, record more often than rungs follow.
        """
        images, value = curve[-1]
        for rung in self._rungs(images):
            if len(curve) > 1 and curve[-2][0] >= rung:
                continue  # passed at an earlier point
            if isnan(value):
                return f"{self.config.metric} is not a number at {images:,} images"
            others = [found for each in self.others.all if (found := _at_rung(each, rung)) is not None]
            best = sorted([*others, value], reverse=not self.lowest)
            kept = max(1, len(best) // self.config.reduction_factor)
            if not self._worse(value, best[kept - 1]):
                continue
            place = sum(self._worse(value, other) for other in others) + 1
            return (
                f"{self.config.metric} {value:.4g} at {images:,} images: place {place} of {len(best)} at the "
                f"rung of {rung:,}, which the best {kept} pass"
            )
        return None

    def _rungs(self, images: int) -> list[int]:
        rungs, rung = [], self.config.min_resource or 1
        while rung <= images:
            rungs.append(rung)
            rung *= self.config.reduction_factor
        return rungs

    def _median(self, curve: Curve) -> str | None:
        """The trial stops if its best value so far is worse than the median of the others at that point."""
        images = curve[-1][0]
        if len(self.others.complete) < max(1, self.config.n_startup_trials) or images < (
            self.config.min_resource or 0
        ):
            return None
        values = [value for _, value in curve if not isnan(value)]
        if not values:
            return f"{self.config.metric} is not a number at {images:,} images"
        others = [found for each in self.others.complete if (found := _by(each, images)) is not None]
        best = min(values) if self.lowest else max(values)
        if not others or not self._worse(best, median(others)):
            return None
        return (
            f"{self.config.metric} {best:.4g} at best up to {images:,} images: worse than "
            f"{median(others):.4g}, the median of {len(others)} trials at this point"
        )

    def _worse(self, value: float, other: float) -> bool:
        return value > other if self.lowest else value < other


def _at_rung(curve: Curve, rung: int) -> float | None:
    """The first value at or after so many images; None if there is none, or if it is not a number."""
    value = next((value for images, value in curve if images >= rung), None)
    return None if value is None or isnan(value) else value


def _by(curve: Curve, images: int) -> float | None:
    """The last value up to so many images, of a curve that reaches them: batches of other sizes are recorded
    at other counts. None if there is none, or if it is not a number."""
    reaches = curve and curve[-1][0] >= images
    value = next((value for seen, value in reversed(curve) if seen <= images), None) if reaches else None
    return None if value is None or isnan(value) else value


@dataclass
class StopTraining:
    """A rule as a training run calls it (training.StopRule). It is sent to workers.

    A resumed training run has earlier records: they count, so that it stops where it would have.
    """

    rule: Rule
    run: RunFolder
    """The training run's own folder."""
    seen: dict[int, float] | None = field(default=None)

    def __call__(self, images: int, metrics: Mapping[str, float]) -> str | None:
        metric = self.rule.config.metric
        if metric is None or metric not in metrics:
            return None
        if self.seen is None:
            self.seen = dict(self.run.curve(metric))
        value = self.seen.setdefault(images, metrics[metric])
        earlier = sorted(point for point in self.seen.items() if point[0] < images)
        return self.rule.reason([*earlier, (images, value)])
