import io

import numpy as np
import pytest
import torch
from PIL import Image

from preimage.data.pixels import to_uint8
from preimage.figures.grids import grid_png, stacks_png
from preimage.figures.plots import single_axes
from preimage.jobs.invert.figures import convergence_png
from preimage.jobs.pag.figures import spectra_png
from preimage.jobs.pag.spectra import Spectrum, of_normal_codes
from preimage.jobs.train.figures import draw, losses_png
from preimage.metrics.pag import pag
from preimage.training.metric_names import GAN_METRICS


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_grid_is_filled_row_by_row_and_magnified_by_whole_pixels():
    shades = torch.tensor([-1.0, -0.5, 0.5, 1.0]).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    grid = pixels(grid_png(shades))
    assert grid.shape == (22 * 23, 22 * 23, 3)  # two images, three borders of 2 pixels, 23 times
    cell = 10 * 23
    centres = [grid[y * cell + cell // 2, x * cell + cell // 2, 0] for y in (0, 1) for x in (0, 1)]
    assert centres == [0, 64, 191, 255]


@pytest.mark.parametrize(
    ("shades", "order"),
    [([-1, 1], [255, 0, 128, 255]), ([-1, 1, -0.5], [255, 0, 128, 255, 128, 64, 255])],
)
def test_sets_stand_one_above_the_other(shades, order):
    """Border, the first, a grey line, the second, a line, the third, border."""
    grid = pixels(stacks_png(*(torch.full((3, 1, 8, 8), float(shade)) for shade in shades), columns=3))
    column = grid[:, grid.shape[1] // 2, 0]
    assert [value for i, value in enumerate(column) if i == 0 or value != column[i - 1]] == order


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_that_are_not_square_keep_their_colours_and_opacity(channels):
    """One image above another: borders are white, the line between them grey, and both opaque."""
    images = torch.tensor([-0.6, 0.2, 1.0, 0.0])[:channels].view(1, -1, 1, 1).expand(1, -1, 4, 6)
    grid = pixels(stacks_png(images, -images, columns=1))
    scale = 1200 // 6
    assert grid.shape == (9 * scale, 6 * scale, 4 if channels == 4 else 3)
    expected = to_uint8(images)[0, :, 0, 0].tolist() * (3 if channels == 1 else 1)
    assert grid[0, 0].tolist() == expected
    assert grid[4 * scale, 0].tolist() == [128, 128, 128, 255][: grid.shape[2]]
    two = pixels(grid_png(torch.cat([images, images]), columns=2))
    assert two[0, 0].tolist() == [255] * two.shape[2]
    assert two.shape[0] / two.shape[1] == (4 + 4) / (2 * (6 + 2) + 2)


def test_plots_are_pictures():
    curves = {name: [(100, 1.0), (200, 2.0)] for name in GAN_METRICS}
    codes = Spectrum("found codes", pag([torch.eye(3)], 1.0), 1.0)
    for png in (
        spectra_png([codes], of_normal_codes(codes, seed=0)),
        convergence_png(*np.histogram(np.random.default_rng(0).random(50), 60), median=0.5),
        losses_png(curves),
    ):
        assert pixels(png).std() > 1


@pytest.mark.parametrize(("curve", "marker"), [([(64, 0.5)], "o"), ([(64, 0.5), (128, 0.4)], "None")])
def test_a_curve_of_one_value_is_a_point(curve, marker):
    _, axes = single_axes()
    draw(axes, curve)
    assert [line.get_marker() for line in axes.lines] == [marker]
