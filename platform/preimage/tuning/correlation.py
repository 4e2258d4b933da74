"""Whether two metrics rank a study's trials alike (flexible-priors, section 4.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

RESAMPLES = 9_999
"""Samples of the bootstrap."""
ORDERS = 9_999
"""Permutations of the permutation test; it takes all of them for up to seven trials."""
ROUNDING = 1e-12
FEWEST = 3
"""Trials that a correlation needs: of two, it could only be +1 or -1."""


@dataclass(frozen=True)
class PartialCorrelation:
    """The rank correlation that remains between two metrics where a parameter's part in both is taken out."""

    rho: float
    """Spearman's, partial: (r_ab - r_ac r_bc) / sqrt((1 - r_ac^2) (1 - r_bc^2)), from the ranks' correlations
    r; 0 if the parameter alone decides one of the orders."""
    low: float
    high: float
    """Its 95% interval: percentiles over bootstrap samples of the trials."""


@dataclass(frozen=True)
class Correlation:
    """The rank correlation of two metrics over the trials that have both.

    Directions are aligned: +1 if both rank the trials alike, best first; -1 if one's best is the other's
    worst.
    """

    count: int
    rho: float
    """Spearman's."""
    low: float
    high: float
    """Its 95% interval: percentiles over bootstrap samples of the trials."""
    p: float
    """How often randomly ordered trials have a rho as far from 0."""
    tau: float
    """Kendall's, tau-b."""
    partial: Mapping[str, PartialCorrelation] = field(default_factory=dict)
    """By the parameter that is given."""

    @property
    def agrees(self) -> bool | None:
        """Whether they rank alike (True) or oppositely (False); None if the interval contains 0."""
        return None if self.low <= 0 <= self.high else self.rho > 0


def rank_correlation(
    first: np.ndarray, second: np.ndarray, given: Mapping[str, np.ndarray] | None = None
) -> Correlation | None:
    """Correlate two metrics, (n,) each, higher is better. given: parameters by name, (n,) finite numbers.
    None if there is no order to compare: fewer than three trials have both metrics, or one is the same for
    all of them. A parameter that is the same for all has no partial correlation.

    The same trials in the same order give the same intervals and p.
    """
    from scipy import stats

    finite = np.isfinite(first) & np.isfinite(second)
    a, b = (stats.rankdata(each[finite]) for each in (first, second))  # monotone maps change nothing
    if len(a) < FEWEST or a.min() == a.max() or b.min() == b.max():
        return None
    low, high = _interval(_pearson, a, b)
    values = {name: stats.rankdata(each[finite]) for name, each in (given or {}).items()}
    partial = {
        name: PartialCorrelation(float(_partial(a, b, c)), *_interval(_partial, a, b, c))
        for name, c in values.items()
        if c.min() < c.max()
    }
    return Correlation(
        len(a),
        float(_pearson(a, b)),
        low,
        high,
        _chance(a, b),
        float(stats.kendalltau(a, b).statistic),  # pyright: ignore[reportAttributeAccessIssue]
        partial,
    )


def _pearson(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Pearson's correlation along an axis; of ranks, it is Spearman's rho. 0 if one is constant."""
    x, y = x - x.mean(axis, keepdims=True), y - y.mean(axis, keepdims=True)
    scale = np.sqrt((x**2).sum(axis) * (y**2).sum(axis))
    return np.divide((x * y).sum(axis), scale, out=np.zeros_like(scale), where=scale > 0)


def _partial(a: np.ndarray, b: np.ndarray, c: np.ndarray, axis: int = -1) -> np.ndarray:
    """The correlation of what is left of a and b, along an axis, after a linear fit of c to each."""
    ab, ac, bc = _pearson(a, b, axis), _pearson(a, c, axis), _pearson(b, c, axis)
    left = np.maximum(1 - ac**2, 0) * np.maximum(1 - bc**2, 0)
    found = np.divide(ab - ac * bc, np.sqrt(left), out=np.zeros_like(ab), where=left > ROUNDING)
    return found.clip(-1, 1)


def _interval(correlation: Callable[..., np.ndarray], *ranks: np.ndarray) -> tuple[float, float]:
    from scipy import stats

    def rho(*samples: np.ndarray, axis: int) -> np.ndarray:  # resampled trials get new ranks
        return correlation(*(stats.rankdata(each, axis=axis) for each in samples), axis)

    found = stats.bootstrap(
        ranks,
        rho,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",  # others divide by a spread that is 0 if all trials are ranked alike
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _chance(a: np.ndarray, b: np.ndarray) -> float:
    """A permutation test: exact for few trials, where the usual formula is not."""
    from scipy import stats

    found = stats.permutation_test(
        (a,),
        lambda x, axis: _pearson(x, np.broadcast_to(b, x.shape), axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=ORDERS,
        batch=1_000,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)
