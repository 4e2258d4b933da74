import io

import numpy as np
import pytest
import torch
from PIL import Image

from preimage.figures.grids import grid_png
from preimage.figures.plots import new_figure
from preimage.tuning.figures import (
    BEST,
    FRONT,
    OTHER,
    Axis,
    Panel,
    Scatter,
    _scatter,
    best_worst_png,
    gallery_png,
    scatter_png,
)

COLOURS = [(200, 30, 40), (20, 180, 60), (40, 60, 220), (210, 200, 30), (150, 20, 200)]


def panel(colour, size=16):
    images = (torch.tensor(colour)[None, :, None, None] / 127.5 - 1).expand(4, 3, size, size)
    return Panel(f"trial {colour[0]}", "value 1\nwidth 8", grid_png(images))


def picture(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def where(png, colour):
    """The middle (row, column) of what has that colour, as shares of the picture."""
    image = picture(png)
    found = np.argwhere(np.abs(image - np.array(colour)).sum(2) < 8)
    assert len(found), f"{colour} is not in the picture"
    return found.mean(0) / image.shape[:2]


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_the_best_is_on_the_left_of_the_worst_and_a_pick_below():
    best, worst, picked, other = map(panel, COLOURS[:4])
    png = best_worst_png([("by pag", best, worst), ("by eye", picked, other)])
    places = [where(png, colour) for colour in COLOURS[:4]]
    assert places[0][1] < 0.5 < places[1][1]
    assert places[0][0] == pytest.approx(places[1][0], abs=0.01)
    assert places[2][0] > 0.5 > places[0][0]
    assert places[2][1] < 0.5 < places[3][1]


def test_an_empty_panel_is_said_to_be_one():
    with_one = best_worst_png([("by eye", panel(COLOURS[0]), Panel("not picked", "", None))])
    assert where(with_one, (242, 242, 242))[1] > 0.5


@pytest.mark.parametrize(("count", "columns"), [(1, 4), (3, 4), (5, 2)])
def test_a_gallery_goes_row_by_row(count, columns):
    png = gallery_png([panel(colour) for colour in COLOURS[:count]], columns)
    places = [where(png, colour) for colour in COLOURS[:count]]
    across = min(columns, count)
    lines = -(-count // across)
    for i, (down, right) in enumerate(places):
        assert int(right * across) == i % across
        assert int(down * lines) == i // across


def scatter(x, y, front, best=0):
    axes = Axis("pag", "minimize", np.array(x)), Axis("score", "maximize", np.array(y))
    return Scatter(*axes, numbers=range(len(x)), best=best, front=front, caption="rho +0.5")


def test_the_first_in_rank_and_the_front_have_colours_of_their_own():
    png = scatter_png([scatter([1.0, 2.0, 3.0], [1.0, 2.0, 0.0], [True, True, False])])
    middles = [where(png, rgb(colour)) for colour in (BEST, FRONT, OTHER)]
    assert len({tuple(each.round(2)) for each in middles}) == 3
    alone = scatter_png([scatter([1.0, 2.0], [2.0, 1.0], [True, False])])
    with pytest.raises(AssertionError):
        where(alone, rgb(FRONT))


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1.0, 3.0, 7.0], "linear"), ([1.0, 3.0, 90.0], "log"), ([0.0, 3.0, 90.0], "linear")],
)
def test_a_wide_range_gets_a_logarithmic_axis(values, scale):
    axes = new_figure(4, 4).subplots()
    _scatter(axes, scatter(values, [-1.0, 0.0, 1.0], [False] * 3))
    assert (axes.get_xscale(), axes.get_yscale()) == (scale, "linear")


def test_each_pair_of_objectives_has_a_panel_and_many_trials_in_one_place_are_drawn_too():
    one = scatter([1.0] * 40, [1.0] * 40, [True] * 40)
    single, three = picture(scatter_png([one])), picture(scatter_png([one, one, one]))
    assert three.shape[1] == pytest.approx(3 * single.shape[1], rel=0.01)
    assert single.std() > 1
