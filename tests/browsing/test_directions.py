"""Principal directions of codes, and the most sensitive ones of a generator."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from preimage.browsing.directions import principal_directions, principal_of_prior, signed
from preimage.browsing.sensitive import sensitive_directions
from preimage.inversion.jacobian import NoJacobianError
from preimage.latents.priors import Gaussian, Normal
from preimage.latents.statistics import Moments
from small_nets import Expanding, Linear, of_singular_values, seeded


def test_principal_directions_are_the_singular_vectors_of_the_centred_codes():
    codes = seeded(200, 4) * torch.tensor([3.0, 2, 1, 0.5]) @ torch.linalg.qr(seeded(4, 4, seed=1))[0] + 5
    found = principal_directions(Moments.of(codes.split(7)), 3)
    centred = codes.double() - codes.double().mean(0)
    _, values, vectors = torch.linalg.svd(centred, full_matrices=False)
    assert np.allclose(found.vectors, signed(vectors)[:3], atol=1e-5)
    assert np.allclose(found.scales, values[:3] / 199**0.5, rtol=1e-9)
    assert np.allclose(found.share, (values.square() / values.square().sum())[:3], rtol=1e-9)
    assert np.allclose(found.centre, codes.mean(0), atol=1e-5)


def test_a_prior_that_varies_alike_in_every_direction_has_its_axes():
    assert np.array_equal(principal_of_prior(Normal(4), 2).vectors, np.eye(4)[:2])


def test_principal_directions_of_a_gaussian_are_those_of_its_covariance():
    root = torch.diag(torch.tensor([1.0, 3.0, 2.0]))
    found = principal_of_prior(Gaussian(torch.ones(3), root), 3)
    assert np.allclose(found.vectors, np.eye(3)[[1, 2, 0]])
    assert np.allclose(found.scales, [3, 2, 1])
    assert np.allclose(found.centre, 1)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_direction_and_its_opposite_get_the_same_sign(seed, dim):
    vectors = seeded(3, dim, seed=seed)
    assert torch.equal(signed(vectors), signed(-vectors))
    assert torch.equal(signed(vectors).abs(), vectors.abs())
    assert (signed(vectors).amax(1) > 0).all()


@pytest.mark.parametrize("whole", [128, 0], ids=["whole", "searched"])
def test_a_linear_generators_sensitive_directions_are_its_right_singular_vectors(whole):
    generator = of_singular_values([5.0, 3.0, 2.0, 0.5])
    found = sensitive_directions(generator, seeded(4), None, 3, whole=whole)
    _, values, vectors = torch.linalg.svd(generator.weight.detach().double())
    assert np.allclose(found.vectors, signed(vectors)[:3], atol=1e-5)
    assert np.allclose(found.scales, values[:3], rtol=1e-5)
    assert np.array_equal(found.centre, seeded(4))


class Wide(nn.Module):
    """A smooth generator of 40 components, some of which change images far more than others."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.logspace(0, -3, 40))
        self.register_buffer("weight", seeded(49, 40) / 7)

    def forward(self, codes):
        return torch.tanh((codes * self.scale) @ self.weight.T).view(-1, 1, 7, 7)


class OwnProduct(torch.autograd.Function):
    """A product that torch cannot differentiate in forward mode."""

    @staticmethod
    def forward(ctx, codes, weight):
        ctx.save_for_backward(weight)
        return codes @ weight.T

    @staticmethod
    def backward(ctx, *grads):
        return grads[0] @ ctx.saved_tensors[0], None


class Reverse(Wide):
    def forward(self, codes):
        return torch.tanh(OwnProduct.apply(codes * self.scale, self.weight)).view(-1, 1, 7, 7)


@pytest.mark.parametrize("network", [Wide(), Reverse(), Expanding(40)], ids=["forward", "reverse", "flat"])
def test_the_search_finds_what_the_whole_jacobian_says_in_float64(network):
    code = seeded(40, seed=3)
    found = sensitive_directions(network, code, None, 4, whole=0)
    jacobian = torch.autograd.functional.jacobian(
        lambda z: network.double()(z[None]).flatten(), code.double()
    )
    _, values, vectors = torch.linalg.svd(jacobian, full_matrices=False)
    network.float()
    assert np.allclose(found.scales, values[:4].detach(), rtol=1e-4)
    along = np.abs((found.vectors * vectors[:4].detach().numpy()).sum(1))
    assert (along > 0.999).all()
    assert np.allclose(found.vectors @ found.vectors.T, np.eye(4), atol=1e-5)


@pytest.mark.parametrize("whole", [128, 0], ids=["whole", "searched"])
def test_a_jacobian_that_is_not_finite_is_refused(whole):
    generator = Linear(3)
    with torch.no_grad():
        generator.weight[0, 0] = torch.nan
    with pytest.raises(NoJacobianError, match="not finite"):
        sensitive_directions(generator, torch.ones(3), None, 2, whole=whole)
