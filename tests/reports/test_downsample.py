"""A curve with fewer points keeps what one looks for in it."""

from hypothesis import given
from hypothesis import strategies as st

from preimage.reports.downsample import downsample

POINTS = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300)


@given(values=POINTS, most=st.integers(4, 40))
def test_the_extremes_the_ends_and_the_order_stay(values, most):
    points = list(enumerate(values))
    kept = downsample(points, most)
    assert len(kept) <= most
    assert set(kept) <= set(points)
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    heights = [y for _, y in kept]
    assert (min(heights), max(heights)) == (min(values), max(values))


@given(values=POINTS, most=st.integers(4, 40), place=st.integers(0, 299))
def test_a_single_spike_stays_wherever_it_is(values, most, place):
    values = [0.0] * len(values)
    values[place % len(values)] = 1.0
    assert (place % len(values), 1.0) in downsample(list(enumerate(values)), most)


def test_a_short_curve_stays_as_it_is():
    points = [(0, 3.0), (1, 3.0), (2, 1.0), (3, 2.0)]
    assert downsample(points, 4) == points
