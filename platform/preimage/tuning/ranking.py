"""Rank a study's trials, and find those on the Pareto front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from preimage.runs.metrics import plain_name
from preimage.specs.search import Direction
from preimage.storage.folder import canonical_json
from preimage.tuning.correlation import Correlation, rank_correlation
from preimage.tuning.records import TrialRecord


@dataclass(frozen=True)
class Ranking:
    """Trials ordered by the first objective; trials that ended without values follow, by number."""

    objectives: Mapping[str, Direction]
    correlate: Mapping[str, Direction]
    """Further metrics."""
    complete: tuple[TrialRecord, ...]
    """The best first."""
    others: tuple[TrialRecord, ...]
    """Stopped and failed."""
    front: frozenset[int]
    """The Pareto front: numbers of the trials that no other matches in all objectives and beats in one."""

    @property
    def total(self) -> int:
        return len(self.complete) + len(self.others)

    @property
    def compared(self) -> Mapping[str, Direction]:
        """All that the trials are ranked by: the objectives, then the others."""
        return {**self.objectives, **self.correlate}

    @property
    def first(self) -> str:
        """The objective that decides the order."""
        return next(iter(self.objectives))

    def values(self, metric: str) -> np.ndarray:
        """(n,) of the complete trials, in order."""
        return np.array([value_of(each, metric) for each in self.complete])

    def goodness(self, metric: str) -> np.ndarray:
        """The same, higher is better."""
        return self.values(metric) * (1 if self.compared[metric] == "maximize" else -1)

    def rank(self, number: int, metric: str | None = None) -> int:
        """A complete trial's place by a metric, from 1; equal ones share the best of their places."""
        good = self.goodness(metric or self.first)
        place = [each.number for each in self.complete].index(number)
        return 1 + int((good > good[place]).sum())


def value_of(record: TrialRecord, metric: str) -> float:
    """An objective or another metric of a complete trial; NaN if it has none."""
    return record.values.get(metric, record.metrics.get(plain_name(metric), float("nan")))


def rank(
    records: Sequence[TrialRecord],
    objectives: Mapping[str, Direction],
    correlate: Mapping[str, Direction] | None = None,
) -> Ranking:
    """Rank the trials by the first objective. Of equal ones the earlier comes first; a value that is not a
    number comes last. correlate: metrics that they are ranked by too."""
    first, direction = next(iter(objectives.items()))
    sign = 1 if direction == "minimize" else -1

    def place(record: TrialRecord) -> tuple[bool, float, int]:
        value = record.values[first]
        return (True, 0.0, record.number) if value != value else (False, sign * value, record.number)

    complete = tuple(sorted((each for each in records if each.state == "complete"), key=place))
    others = tuple(
        sorted((each for each in records if each.state != "complete"), key=lambda each: each.number)
    )
    return Ranking(objectives, correlate or {}, complete, others, _front(complete, objectives))


def _front(complete: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> frozenset[int]:
    signs = np.array([1 if direction == "maximize" else -1 for direction in objectives.values()])
    good = np.array([[each.values[name] for name in objectives] for each in complete])
    good = np.nan_to_num(good.reshape(len(complete), len(signs)) * signs, nan=-np.inf)
    beaten = [((good >= one).all(1) & (good > one).any(1)).any() for one in good]
    return frozenset(each.number for each, lost in zip(complete, beaten, strict=True) if not lost)


def correlations(ranking: Ranking) -> dict[tuple[str, str], Correlation | None]:
    """The rank correlation of every objective and every other metric over the complete trials, with the
    partial ones given each parameter that has an order; None if there is none."""
    given = _parameters(ranking.complete)
    pairs = [pair for pair in combinations(ranking.compared, 2) if pair[0] in ranking.objectives]
    return {(a, b): rank_correlation(ranking.goodness(a), ranking.goodness(b), given) for a, b in pairs}


def _parameters(complete: Sequence[TrialRecord]) -> dict[str, np.ndarray]:
    """The parameters that every trial has and that are numbers, or one of two values, by key: (n,) each."""
    found: dict[str, np.ndarray] = {}
    for key in complete[0].params if complete else ():
        values = [each.params[key] for each in complete if key in each.params]
        if len(values) < len(complete):
            continue
        if all(isinstance(value, int | float) for value in values):
            found[key] = np.array(values, dtype=float)
        elif len(names := sorted({canonical_json(value) for value in values})) == 2:
            found[key] = np.array([names.index(canonical_json(value)) for value in values], dtype=float)
    return found
