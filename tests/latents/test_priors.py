"""The priors' samples have the moments they state."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from preimage.errors import PreimageError
from preimage.latents.priors import Gaussian, make_prior, project
from preimage.latents.statistics import Moments


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_samples(name):
    prior = make_prior(name, 8)
    z = prior.sample(20_000, torch.Generator().manual_seed(0))
    assert z.shape == (20_000, 8)
    assert z.dtype == torch.float32
    # 160,000 components: the error of a mean is std / 400, that of a std at most as large
    assert z.mean().item() == pytest.approx(0, abs=4 * prior.std / 400)
    assert z.std().item() == pytest.approx(prior.std, abs=4 * prior.std / 400)
    assert bool((z.abs() <= 1).all()) == (prior.support == "box")
    assert (prior.name, prior.latent_dim) == (name, 8)


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_a_seed_fixes_the_samples(name):
    draw = [make_prior(name, 3).sample(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


def _codes(count: int = 400) -> torch.Tensor:
    """Of five components, the last the sum of two others: the covariance has no inverse."""
    z = torch.randn(count, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 1.0, 0.5, 0.1])
    return torch.cat([z, z[:, :1] + z[:, 1:2]], 1) + 3


def test_a_fitted_gaussian_has_the_codes_mean_and_covariance():
    z = _codes()
    prior = Gaussian.fit(Moments.empty(5).update(z[:150]).update(z[150:]))
    assert (prior.name, prior.latent_dim, prior.support) == ("gaussian", 5, "anywhere")
    assert torch.allclose(prior.mean, z.mean(0), atol=1e-5)
    assert torch.allclose(prior.root @ prior.root.T, torch.cov(z.T), atol=1e-5)
    assert prior.std == pytest.approx(z.var(0).mean().sqrt().item(), rel=1e-5)
    drawn = prior.sample(100_000, torch.Generator().manual_seed(1))
    assert torch.allclose(torch.cov(drawn.T), torch.cov(z.T), atol=0.12), "five standard errors"
    assert torch.allclose(drawn[:, 4], drawn[:, 0] + drawn[:, 1] - 3, atol=1e-3), "where codes are"


def test_in_the_ball_its_codes_are_projected():
    z = _codes() / 4
    prior = Gaussian.fit(Moments.empty(5).update(z), "ball")
    free = Gaussian(prior.mean, prior.root)
    noise = torch.randn(200, 5, generator=torch.Generator().manual_seed(2))
    expected = torch.stack([code / max(code.norm().item(), 1) for code in free.of(noise)])
    assert torch.allclose(prior.of(noise), expected)
    assert prior.name == "gaussian-in-ball"
    with pytest.raises(PreimageError, match="a covariance needs at least two"):
        Gaussian.fit(Moments.empty(5).update(z[:1]))
    with pytest.raises(PreimageError, match="fitted to codes: load it from its generator's folder"):
        make_prior("gaussian", 5)


@given(arrays(np.float64, (3, 4), elements=st.floats(-50, 50)))
def test_projection_is_the_nearest_code_of_the_ball(values):
    z = torch.from_numpy(values)
    found = project(z)
    assert found.norm(dim=1).max() <= 1 + 1e-12
    inside = z.norm(dim=1) <= 1
    assert torch.equal(found[inside], z[inside])
    away = z[~inside] - found[~inside]  # the nearest lies on the ray: what is left is parallel to it
    assert torch.allclose(away, found[~inside] * away.norm(dim=1, keepdim=True), atol=1e-9)
    assert torch.allclose(project(found), found)


def test_gradients_of_a_projection_are_those_of_differences():
    z = torch.tensor([[0.2, 0.3], [1.5, -2.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(project, z)


def test_a_likelihood_is_that_of_the_normal_prior():
    codes = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(codes.double()).sum(1)
    assert torch.allclose(make_prior("normal", 7).log_density(codes), expected, rtol=1e-6)
