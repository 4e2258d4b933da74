"""Walks between codes, and sums of three."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preimage.browsing.walks import arithmetic, usual_way, walk
from small_nets import seeded


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(2, 9), st.sampled_from(["linear", "spherical"]))
def test_a_walk_begins_and_ends_at_its_ends(seed, dim, steps, how):
    start, end = (each.numpy() for each in seeded(2, dim, seed=seed))
    codes = walk(start, end, steps, how)
    assert codes.shape == (steps, dim)
    assert np.array_equal(codes[0], start)
    assert np.allclose(codes[-1], end, atol=1e-6)


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_a_spherical_walk_turns_evenly_and_changes_its_length_evenly(seed, dim):
    start, end = (each.numpy() for each in seeded(2, dim, seed=seed))
    codes = walk(start, end, 9, "spherical").astype(np.float64)
    lengths = np.linalg.norm(codes, axis=1)
    assert np.allclose(np.diff(lengths), (lengths[-1] - lengths[0]) / 8, atol=1e-5)
    units = codes / lengths[:, None]
    turns = np.linalg.norm(np.diff(units, axis=0), axis=1)
    assert np.allclose(turns, turns.mean(), atol=1e-4)


def test_a_spherical_walk_is_there_and_back_the_same():
    start, end = (each.numpy() for each in seeded(2, 5))
    there, back = walk(start, end, 7, "spherical"), walk(end, start, 7, "spherical")
    assert np.allclose(there, back[::-1], atol=1e-6)


@pytest.mark.parametrize("end", [[0.0, 0.0], [-2.0, 0.0], [3.0, 0.0]], ids=["origin", "opposite", "same way"])
def test_where_no_turn_is_defined_the_walk_is_straight(end):
    start = np.array([1.0, 0.0], dtype=np.float32)
    found = walk(start, np.array(end, np.float32), 5, "spherical")
    assert np.allclose(found, walk(start, np.array(end, np.float32), 5), atol=1e-6)


def test_walks_and_sums_of_a_balls_codes_stay_in_the_ball():
    a, b, c = np.eye(3, dtype=np.float32)
    assert np.allclose(np.linalg.norm(walk(a, b, 5, "spherical", "ball"), axis=1), 1)
    assert np.allclose(arithmetic(a, b, c), [1, -1, 1])
    assert np.isclose(np.linalg.norm(arithmetic(a, b, c, "ball")), 1)


def test_only_the_normal_priors_walks_go_around_the_origin():
    assert [usual_way(each) for each in ("normal", "uniform", None)] == ["spherical", "linear", "linear"]
