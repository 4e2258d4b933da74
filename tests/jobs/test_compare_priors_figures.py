"""The figures of compare-priors."""

import pytest
import torch

from colours import BLUE, ORANGE, share
from preimage.jobs.compare_priors.figures import codes_png, distances_png


def codes(count, dim, scale=1.0):
    return scale * torch.randn(count, dim, generator=torch.Generator().manual_seed(0))


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
