"""Rank a study's trials, and find those on the Pareto front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from preimage.specs.search import Direction
from preimage.tuning.correlation import Correlation, rank_correlation
from preimage.tuning.records import TrialRecord


@dataclass(frozen=True)
class Ranking:
    """Trials ordered by the first objective; trials that ended without values follow, by number."""

    objectives: Mapping[str, Direction]
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
    def first(self) -> str:
        """The objective that decides the order."""
        return next(iter(self.objectives))

    def values(self, objective: str) -> np.ndarray:
        """(n,) of the complete trials, in order."""
        return np.array([each.values[objective] for each in self.complete])

    def goodness(self, objective: str) -> np.ndarray:
        """The same, higher is better."""
        return self.values(objective) * (1 if self.objectives[objective] == "maximize" else -1)

    def rank(self, number: int, objective: str | None = None) -> int:
        """A complete trial's place by an objective, from 1; equal ones share the best of their places."""
        good = self.goodness(objective or self.first)
        place = [each.number for each in self.complete].index(number)
        return 1 + int((good > good[place]).sum())


def rank(records: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> Ranking:
    """Rank the trials. Of equal ones the earlier comes first; a value that is not a number comes last."""
    first, direction = next(iter(objectives.items()))
    sign = 1 if direction == "minimize" else -1

    def place(record: TrialRecord) -> tuple[bool, float, int]:
        value = record.values[first]
        return (True, 0.0, record.number) if value != value else (False, sign * value, record.number)

    complete = tuple(sorted((each for each in records if each.state == "complete"), key=place))
    others = tuple(
        sorted((each for each in records if each.state != "complete"), key=lambda each: each.number)
    )
    return Ranking(objectives, complete, others, _front(complete, objectives))


def _front(complete: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> frozenset[int]:
    signs = np.array([1 if direction == "maximize" else -1 for direction in objectives.values()])
    good = np.array([[each.values[name] for name in objectives] for each in complete])
    good = np.nan_to_num(good.reshape(len(complete), len(signs)) * signs, nan=-np.inf)
    beaten = [((good >= one).all(1) & (good > one).any(1)).any() for one in good]
    return frozenset(each.number for each, lost in zip(complete, beaten, strict=True) if not lost)


def correlations(ranking: Ranking) -> dict[tuple[str, str], Correlation | None]:
    """The rank correlation of every two objectives over the complete trials; None if there is none."""
    pairs = combinations(ranking.objectives, 2)
    return {(a, b): rank_correlation(ranking.goodness(a), ranking.goodness(b)) for a, b in pairs}
