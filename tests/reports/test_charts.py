"""Curves as charts: what is drawn where, and what is said of the rest."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preimage.reports.charts import CHARTS, HEIGHT, LEFT, POINTS, RIGHT, TOP, WIDTH, charts
from preimage.reports.scale import Axis, short


def test_losses_share_a_chart_and_a_pace_does_not():
    curves = {name: [(1, 1.0), (2, 2.0)] for name in ("a_loss", "images_per_second", "b_loss", "fid")}
    made, notes = charts(curves)
    assert [(each.title, each.names) for each in made] == [
        ("loss", ("a_loss", "b_loss")),
        ("images per second", ("images_per_second",)),
        ("fid", ("fid",)),
    ]
    assert notes == []


def test_points_lie_where_their_axes_say():
    ((made,), _) = charts({"x": [(0, 0.0), (50, 5.0), (100, 10.0)]})
    (scale,) = made.scales  # 0 has no logarithm
    points = [tuple(map(float, each.split(","))) for each in scale.lines[0].split()]
    assert [x for x, _ in points] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    assert points[1][1] == pytest.approx((points[0][1] + points[2][1]) / 2, abs=0.11)
    assert TOP < points[2][1] < points[0][1] < HEIGHT


def test_values_far_apart_are_first_shown_by_their_logarithms():
    ((near,), _) = charts({"x": [(0, 1.0), (1, 2.0)]})
    ((far,), _) = charts({"x": [(0, 1e-6), (1, 1e-3), (2, 1.0)]})
    assert (near.first, far.first) == ("linear", "log")
    heights = [float(each.split(",")[1]) for each in far.scales[1].lines[0].split()]
    assert heights[1] == pytest.approx((heights[0] + heights[2]) / 2, abs=0.11)
    assert {"1e-06", "0.0001", "0.01", "1"} <= {each.text for each in far.scales[1].ticks}


def test_what_is_not_drawn_is_said():
    curves = {"gone": [(1, nan), (2, inf)], "same": [(1, 3.0), (2, 3.0)], "once": [(7, 2.0)]}
    made, notes = charts(curves | {"drawn": [(1, 1.0), (2, nan), (3, 2.0)]})
    assert [each.names for each in made] == [("drawn",)]
    assert notes == [
        "gone: 2 values are not finite and not drawn.",
        "drawn: 1 values are not finite and not drawn.",
        "same: 3 throughout.",
        "once: 2 at 7 images seen, recorded once.",
    ]


def test_a_long_curve_and_many_curves_are_bounded():
    many = {f"m{number}": [(x, float(x + number)) for x in range(2000)] for number in range(CHARTS + 3)}
    made, notes = charts(many)
    assert len(made) == CHARTS
    assert all(len(each.curves[0]) <= POINTS for each in made)
    assert made[0].notes == (f"m0: {len(made[0].curves[0])} of 2,000 points",)
    assert notes == ["3 more curves are not drawn: m24, m25, m26; log/ has all of them."]


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_ticks_are_few_and_on_the_axis(one, other):
    axis = Axis.over(min(one, other), max(one, other), 0.0, 100.0)
    assert 1 <= len(axis.ticks) <= 11
    assert all(-1e-6 <= axis.place(each) <= 100 + 1e-6 for each in axis.ticks)


@given(st.floats(1e-30, 1e30), st.floats(1e-30, 1e30))
def test_ticks_of_logarithms_too(one, other):
    axis = Axis.over(min(one, other), max(one, other), 0.0, 100.0, is_log=True)
    assert 1 <= len(axis.ticks) <= 11
    assert all(-1e-6 <= axis.place(each) <= 100 + 1e-6 for each in axis.ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05, "0.05"), (1500, "1,500"), (20_000, "20k"), (3e6, "3M"), (1e-7, "1e-07"), (0, "0")],
)
def test_short_numbers(value, text):
    assert short(value) == text
