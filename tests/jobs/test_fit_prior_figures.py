"""The figures of fit-prior."""

import pytest
import torch

from colours import BLUE, ORANGE, share
from preimage.jobs.fit_prior.figures import curves_png, marginals_png


def codes(count, dim, scale=1.0):
    return scale * torch.randn(count, dim, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dim", [1, 2, 4, 20])
def test_marginals_show_codes_and_draws_of_any_dimension(dim):
    png = marginals_png(codes(200, dim), codes(150, dim, 2.0), "box")
    assert share(png, BLUE, 0.5) > 0.01
    assert share(png, ORANGE) > 1e-3


def test_a_component_that_does_not_vary_is_drawn():
    assert share(marginals_png(torch.zeros(9, 2), torch.zeros(9, 2), "diagonal"), BLUE, 0.5) > 1e-3


def test_the_course_of_a_fit_is_drawn():
    likelihoods = [(70, -9.0), (140, -4.0), (210, -3.5)]
    assert share(curves_png({"log_likelihood": likelihoods}, "mixture"), BLUE) > 1e-3
    assert share(curves_png({"log_likelihood": likelihoods[:1]}, "mixture"), BLUE) > 0
    assert share(curves_png({"loss": likelihoods, "rate": likelihoods}, "flow"), BLUE) > 1e-3
