"""Slopes and directions of J against closed forms, and equations 4 and 5 where they fail."""

from math import cos, pi

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.metrics.descent_directions import (
    contracted,
    cosine_of_images,
    descent,
    expected_gradient,
    half_plane,
    negative_multiple,
    polar_lattice,
)
from preimage.metrics.landscape import Cost
from preimage.models.random_nets import RandomNet


def cost_of(net, code):
    return Cost(lambda codes: net(codes).flatten(1), code)


def net_of(*channels, kernel=2, seed=0):
    return RandomNet(channels, kernel, kernel, weights="theorem", seed=seed).double()


def test_a_round_bowl_has_slope_1_and_its_descent_leads_to_the_code():
    code = torch.tensor([1.0, -2.0, 0.5])
    found = descent(Cost(lambda codes: 3 * codes, code), torch.randn(20, 3))
    torch.testing.assert_close(found.slope, torch.ones(20).double())
    torch.testing.assert_close(found.cosine, torch.ones(20).double())


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_no_quadratic_around_the_code_has_a_slope_below_1(seed):
    random = torch.Generator().manual_seed(seed)
    matrix, code = torch.randn(5, 3, generator=random).double(), torch.randn(3, generator=random)
    found = descent(Cost(lambda codes: codes @ matrix.T, code), torch.randn(20, 3, generator=random))
    assert (found.slope >= 1 - 1e-9).all()
    assert (found.cosine > 0).all()


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_neither_the_scale_of_codes_nor_that_of_weights_changes_a_descent(scale, gain, seed):
    net = net_of(3, 4, 2, seed=seed)
    random = torch.Generator().manual_seed(seed)
    code, codes = torch.randn(3, generator=random), torch.randn(6, 3, generator=random)
    found = descent(cost_of(net, code), codes)
    scaled = descent(Cost(lambda z: gain * net(z).flatten(1), scale * code.double()), scale * codes.double())
    for name in ("slope", "cosine", "direction"):
        torch.testing.assert_close(getattr(scaled, name), getattr(found, name), rtol=1e-6, atol=1e-6)


def test_j_is_stationary_where_no_unit_is_active_and_at_another_code_of_the_same_image():
    relu = Cost(lambda codes: codes[:, :1].relu(), torch.tensor([1.0, 0.0]))
    found = descent(relu, torch.tensor([[-1.0, 0.5], [1.0, 7.0], [2.0, 0.0]]))
    assert found.slope.tolist() == [0, 0, 1]
    assert found.direction.tolist() == [[0, 0], [0, 0], [-1, 0]]


def test_the_derivative_along_the_descent_is_minus_the_squared_gradient():
    cost, codes = cost_of(net_of(4, 6, 2), torch.randn(4)), torch.randn(8, 4).double()
    found, step = descent(cost, codes), 1e-7
    difference = (cost(codes + step * found.direction) - cost(codes)) / step
    slopes = -2 * cost(codes) * found.slope / (codes - cost.code).norm(dim=1)
    torch.testing.assert_close(difference, slopes, rtol=1e-5, atol=0)


def test_equation_5_is_the_cosine_of_two_images():
    net, code, directions = net_of(4, 6, 2), torch.randn(4), torch.randn(8, 4).double()
    cost, step = cost_of(net, code), 1e-7
    at_zero = cost(torch.zeros(1, 4))
    difference = (cost(step * directions) - at_zero) / step
    norms = cost.target.norm() * net(directions).flatten(1).norm(dim=1)
    torch.testing.assert_close(
        -difference / norms, cosine_of_images(cost.see, code, directions), atol=1e-6, rtol=0
    )


def test_equation_5_fails_where_two_images_have_no_pixel_in_common():
    signs = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]).double()
    directions = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])
    found = cosine_of_images(lambda codes: (codes @ signs.T).relu(), torch.tensor([1.0, 0.0]), directions)
    assert found.tolist() == [1, 0, 0]


def test_angles_contract_as_in_a_wide_layer():
    net = net_of(6, 20_000, kernel=1)
    pair = half_plane(torch.randn(6), torch.randn(6), torch.ones(1), torch.tensor([0.0, 0.7, 2.0, pi]))[0]
    images = net(pair.double()).flatten(1)
    for image, angle in zip(images, (0.0, 0.7, 2.0, pi), strict=True):
        assert torch.cosine_similarity(image, images[0], 0) == pytest.approx(cos(contracted(angle)), abs=0.03)
    assert contracted(pi) == pytest.approx(pi / 2)
    assert cos(contracted(pi, 2)) == pytest.approx(1 / pi), "the least cosine of images of two layers"


@pytest.mark.parametrize(("layers", "rho"), [(1, 0.0), (2, 1 / pi), (3, 0.49373)])
def test_the_expected_gradient_vanishes_at_the_code_and_at_minus_rho_times_it(layers, rho):
    """rho_3 = kept(a) / pi + sin(a) / pi with cos a = 1 / pi, kept(a) = (pi - a) / pi, by hand."""
    assert negative_multiple(layers) == pytest.approx(rho, abs=1e-4)
    code = torch.tensor([0.3, -1.0, 2.0]).double()
    places = torch.stack([code, -negative_multiple(layers) * code, -code, 2 * code])
    norms = expected_gradient(places, code, layers).norm(dim=1)
    assert norms[0] == pytest.approx(0, abs=1e-6)
    assert norms[1] == pytest.approx(0, abs=1e-6) or layers == 1  # where it is at 0, and has no direction
    assert (norms[2:] > 0.1).all()


def test_the_gradient_of_many_nets_is_the_expected_one_on_average():
    """Of the theorem's two layers, seen whole; half seen it is half of it."""
    code, across = torch.tensor([1.0, 0.5, -0.3, 0.2]), torch.tensor([0.0, 1.0, 1.0, -1.0])
    codes = half_plane(code, across, *polar_lattice(2.0, 2, 4)).flatten(0, 1)
    nets = [net_of(4, 200, 20, seed=number) for number in range(20)]
    whole = torch.stack([cost_of(net, code).gradients(codes) for net in nets])
    half = torch.stack(
        [Cost(lambda z, net=net: net(z)[..., ::2].flatten(1), code).gradients(codes) for net in nets]
    )
    expected = expected_gradient(codes, code, 2)
    tolerance = 0.05 * expected.norm(dim=1).max()
    assert (whole.mean(0) - expected).norm(dim=1).max() < tolerance
    assert (half.mean(0) - expected / 2).norm(dim=1).max() < tolerance
    assert (whole[0] - expected).norm(dim=1).max() > tolerance, "that of one net is not so near"


@given(st.integers(2, 9), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_a_half_plane_holds_codes_at_their_radii_and_angles(dimension, seed):
    random = torch.Generator().manual_seed(seed)
    code, across = torch.randn(2, dimension, generator=random).double()
    radii, angles = polar_lattice(1.5, 3, 5)
    codes = half_plane(code, across, radii, angles)
    assert codes.shape == (3, 5, dimension)
    torch.testing.assert_close(codes.norm(dim=-1), (code.norm() * radii)[:, None].expand(3, 5))
    cosines = torch.cosine_similarity(codes, code.expand_as(codes), -1)
    torch.testing.assert_close(cosines, angles.cos().expand(3, 5), atol=1e-9, rtol=0)
    assert ((codes @ across)[:, 2] >= 0).all(), "on its side, at a right angle"
