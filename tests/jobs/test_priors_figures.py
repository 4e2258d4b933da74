import io

import numpy as np
import pytest
import torch
from PIL import Image

from preimage.jobs.compare_priors.figures import codes_png, distances_png, marginals_png, passes_png

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)


def share(png, colour, opacity=1.0):
    """Of the picture that is of that colour on white."""
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)
    seen = 255 - opacity * (255 - np.array(colour))
    return (np.abs(picture - seen).sum(2) < 12).mean()


def codes(count, dim, scale=1.0):
    return scale * torch.randn(count, dim, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dim", [1, 2, 4, 20])
def test_marginals_show_codes_and_draws_of_any_dimension(dim):
    png = marginals_png(codes(200, dim), codes(150, dim, 2.0), "box")
    assert share(png, BLUE, 0.5) > 0.01
    assert share(png, ORANGE) > 1e-3


def test_a_component_that_does_not_vary_is_drawn():
    assert share(marginals_png(torch.zeros(9, 2), torch.zeros(9, 2), "diagonal"), BLUE, 0.5) > 1e-3


def test_passes_are_drawn():
    assert share(passes_png([-9.0, -4.0, -3.5]), BLUE) > 1e-3
    assert share(passes_png([-9.0]), BLUE) > 0


def test_a_longer_bar_is_further_away():
    near = distances_png({"a": (0.1, 0.0), "b": (1.0, 0.1)}, (0.01, 0.02))
    far = distances_png({"a": (0.9, 0.0), "b": (1.0, 0.1)}, (-0.01, 0.02))
    assert share(far, BLUE) > 1.5 * share(near, BLUE)


@pytest.mark.parametrize("priors", [1, 3, 7])
def test_every_prior_has_its_draws_beside_the_codes(priors):
    sets = {str(i): codes(300, 5, 0.2 * (i + 1)) for i in range(priors)}
    png = codes_png(codes(300, 5), sets)
    assert share(png, BLUE, 0.5) > 1e-4
    assert share(png, ORANGE, 0.5) > 1e-4


def test_the_held_out_codes_decide_the_scale():
    wide = codes_png(codes(300, 5), {"box": 1e6 * codes(300, 5)})
    assert share(wide, BLUE, 0.5) > 1e-3


def test_codes_of_one_component_are_drawn():
    assert share(codes_png(codes(50, 1), {"box": codes(50, 1, 0.5)}), ORANGE, 0.5) > 1e-4
