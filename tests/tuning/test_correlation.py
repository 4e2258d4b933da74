from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from preimage.tuning.correlation import rank_correlation

VALUES = st.lists(
    st.tuples(st.integers(-20, 20), st.integers(-20, 20)).map(lambda pair: (float(pair[0]), float(pair[1]))),
    min_size=3,
    max_size=9,
)


def pair(count, slope, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=count)
    return x, slope * x + random.normal(size=count)


@pytest.mark.parametrize(("count", "slope"), [(5, 1.0), (16, 0.7), (16, -0.7), (40, 0.0)])
def test_rho_and_tau_are_scipys(count, slope):
    x, y = pair(count, slope)
    found = rank_correlation(x, y)
    assert found.count == count
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.tau == pytest.approx(stats.kendalltau(x, y).statistic)
    if count >= 16:  # the formula of scipy is for many
        assert found.p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.02)


def test_p_of_few_trials_is_counted_over_all_orders():
    x, y = pair(5, 1.0, seed=3)
    rho = stats.spearmanr(x, y).statistic
    by_chance = [stats.spearmanr(each, y).statistic for each in permutations(x)]
    expected = min(1.0, 2 * np.mean([each * np.sign(rho) >= abs(rho) - 1e-12 for each in by_chance]))
    assert rank_correlation(x, y).p == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(VALUES)
def test_monotone_maps_change_nothing_and_a_turn_changes_the_sign(values):
    x, y = np.array(values).T
    found = rank_correlation(x, y)
    if found is None:
        assert len(np.unique(x)) == 1 or len(np.unique(y)) == 1
        return
    assert rank_correlation(x**3 + x, np.exp(y / 10)) == found
    turned = rank_correlation(-x, y)
    assert turned.rho == pytest.approx(-found.rho)
    assert turned.tau == pytest.approx(-found.tau)
    assert -1 <= found.low <= found.high <= 1


def test_the_interval_narrows_with_trials_and_holds_the_truth():
    """Of a bivariate normal with correlation r, rho tends to 6 / pi asin(r / 2)."""
    r = 0.7
    truth = 6 / np.pi * np.arcsin(r / 2)
    held, widths = 0, {16: 0.0, 60: 0.0}
    for seed in range(8):
        for count in widths:
            random = np.random.default_rng(seed)
            x, noise = random.normal(size=count), random.normal(size=count)
            found = rank_correlation(x, r * x + np.sqrt(1 - r**2) * noise)
            widths[count] += found.high - found.low
            held += count == 16 and found.low <= truth <= found.high
    assert held >= 6
    assert widths[60] < 0.7 * widths[16]


def test_trials_that_are_ordered_alike_oppositely_or_by_chance():
    x = np.arange(8.0)
    alike, opposite = rank_correlation(x, x**2), rank_correlation(x, -x)
    assert (alike.rho, alike.low, alike.high, alike.agrees) == (
        pytest.approx(1),
        pytest.approx(1),
        pytest.approx(1),
        True,
    )
    assert (opposite.rho, opposite.agrees) == (pytest.approx(-1), False)
    assert rank_correlation(x, np.array([3.0, 1, 4, 1, 5, 9, 2, 6]) % 5).agrees is None


def test_no_order_is_no_correlation():
    x = np.arange(4.0)
    assert rank_correlation(x[:2], x[:2]) is None
    assert rank_correlation(x, np.ones(4)) is None
    assert rank_correlation(x, np.array([1.0, 2.0, np.nan, np.inf])) is None


def test_trials_without_a_number_do_not_count():
    x, y = pair(8, 1.0)
    with_lost = rank_correlation(np.append(x, 5.0), np.append(y, np.nan))
    assert with_lost == rank_correlation(x, y)


def test_a_partial_correlation_is_that_of_the_residuals_of_the_ranks():
    random = np.random.default_rng(4)
    width = np.repeat([8.0, 16.0, 64.0], 8)
    x, y = (0.1 * width + random.normal(size=24) for _ in range(2))
    found = rank_correlation(x, y, {"width": width, "same": np.ones(24)})
    ranks = [stats.rankdata(each) for each in (x, y)]
    fit = np.column_stack([np.ones(24), stats.rankdata(width)])
    left = [each - fit @ np.linalg.lstsq(fit, each, rcond=None)[0] for each in ranks]
    given_width = found.partial["width"]
    assert given_width.rho == pytest.approx(stats.pearsonr(*left).statistic, rel=1e-12)
    assert given_width.low < given_width.rho < given_width.high
    assert list(found.partial) == ["width"]
    assert found.rho == rank_correlation(x, y).rho


def test_what_a_parameter_alone_explains_is_not_left():
    """Both grow with the parameter and are otherwise independent: rho is high, what is left is about 0."""
    random = np.random.default_rng(0)
    c = random.normal(size=60)
    found = rank_correlation(*(c + 0.5 * random.normal(size=60) for _ in range(2)), {"c": c})
    assert found.rho > 0.7
    assert found.partial["c"].low < 0 < found.partial["c"].high
    alone = rank_correlation(c, c + random.normal(size=60), {"c": c}).partial["c"]
    assert (alone.rho, alone.low, alone.high) == (0, 0, 0)  # one of the orders is the parameter's own
