"""Points in windows, as densities, and sorted."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from preimage.browsing.points import Points, density, in_window, ordered, points_of

COORDINATES = st.floats(-100, 100, width=32)


def points(xy, **columns):
    return Points(np.arange(len(xy)), np.asarray(xy, np.float32), columns, None, "pca")


maps = st.integers(0, 60).flatmap(lambda n: arrays(np.float32, (n, 2), elements=COORDINATES))


def window(ends):
    x, y = sorted(ends[:2]), sorted(ends[2:])
    return *x, *y


windows = st.lists(COORDINATES, min_size=4, max_size=4).map(window)


@given(maps, windows, st.integers(0, 20))
def test_window_points_lie_in_the_window_and_no_more_than_asked_for(xy, ends, most):
    found = points(xy)
    x0, x1, y0, y1 = ends
    inside = {i for i, (x, y) in enumerate(xy.tolist()) if x0 <= x <= x1 and y0 <= y <= y1}
    shown = in_window(found, x0, x1, y0, y1, most).tolist()
    assert len(shown) == len(set(shown)) == min(most, len(inside))
    assert set(shown) <= inside


@given(maps, st.integers(1, 20))
def test_zooming_in_loses_no_point_that_was_shown(xy, most):
    found = points(xy)
    x0, x1, y0, y1 = found.extent
    shown = set(in_window(found, x0, x1, y0, y1, most).tolist())
    half = x0, (x0 + x1) / 2, y0, y1
    inside = set(in_window(found, *half, len(xy)).tolist())
    assert shown & inside <= set(in_window(found, *half, most).tolist())


@given(maps, st.integers(1, 9))
def test_the_density_of_the_whole_map_counts_every_point_once(xy, bins):
    found = points(xy)
    counts = density(found, *found.extent, bins)
    assert (counts.shape, counts.sum()) == ((bins, bins), len(xy))


def test_a_density_has_rows_from_below_and_columns_from_the_left():
    found = points([(0, 0), (1, 0), (1, 0), (0, 3), (5, 5)])
    assert density(found, 0, 1, 0, 3, bins=2).tolist() == [[1, 2], [1, 0]]


def test_the_unknown_comes_last_and_texts_are_sorted_too():
    names = np.array(["b", "a", "", "a"], object)
    found = points(np.zeros((4, 2)), loss=np.array([1, np.nan, 3, 2]), name=names)
    assert ordered(found, "loss").tolist() == [2, 3, 0, 1]
    assert ordered(found, "loss", descending=False).tolist() == [0, 3, 2, 1]
    assert ordered(found, "name").tolist() == [0, 1, 3, 2]
    assert ordered(found, "name", descending=False).tolist() == [1, 3, 0, 2]


def test_every_code_has_its_point(subject):
    found = points_of(subject, "pca")
    assert found.ids.tolist() == subject.rows.ids.tolist()
    assert found.xy.shape == (len(found), 2)
    assert found.names == subject.pixels.names(found.ids)
