"""Fitted priors: their draws, densities and files."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from preimage.errors import PreimageError, PriorError
from preimage.latents.fitted import Box, Diagonal, Network
from preimage.latents.mixture import Mixture, fit_mixture
from preimage.latents.prior_kinds import PRIOR_KINDS
from preimage.latents.priors import Gaussian, NoDensityError, Normal, Uniform
from preimage.latents.statistics import Moments
from preimage.models.prior_folder import load_fitted, save_prior


def codes(count=500, dim=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=random) @ torch.randn(dim, dim, generator=random) + 2


def moments(z):
    return Moments.empty(z.shape[1]).update(z)


def mixture(dim=3, dtype=torch.float32):
    roots = torch.stack([torch.eye(dim), 0.1 * torch.eye(dim) + torch.ones(dim, dim).tril(-1)])
    means = torch.stack([torch.zeros(dim), torch.full((dim,), 4.0)])
    return Mixture(*(part.to(dtype) for part in (torch.tensor([0.25, 0.75]), means, roots)))


def network(dim=3):
    random = torch.Generator().manual_seed(1)
    sizes = [(5, 4), (dim, 5)]
    weights = tuple(torch.randn(size, generator=random) for size in sizes)
    return Network(weights, tuple(torch.randn(size[0], generator=random) for size in sizes), 1.5)


KINDS = {
    "diagonal": lambda: Diagonal.fit(moments(codes())),
    "box": lambda: Box.fit(codes().split(170)),
    "gaussian": lambda: Gaussian.fit(moments(codes())),
    "gaussian-in-ball": lambda: Gaussian.fit(moments(codes()), "ball"),
    "mixture": lambda: fit_mixture(lambda: codes().split(200), codes(), 2),
    "pgan": network,
}
DENSE = ("diagonal", "box", "gaussian", "mixture")


def test_every_kind_is_tested_here():
    assert KINDS.keys() == set(PRIOR_KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prior_comes_back_from_its_folder(folder, kind):
    prior = KINDS[kind]()
    card = save_prior(prior, folder / kind, {"store": "s"})
    again = load_fitted(folder / kind)
    assert (card.kind, again.name, again.latent_dim) == (kind, kind, 3)
    assert (again.std, again.support) == (prior.std, prior.support)
    draws = [each.sample(9, torch.Generator().manual_seed(3)) for each in (prior, again)]
    assert torch.equal(*draws)
    assert draws[0].dtype == torch.float32
    assert not torch.equal(draws[0], prior.sample(9, torch.Generator().manual_seed(4)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("pgan", "gaussian-in-ball")])
def test_draws_have_the_spread_that_the_prior_states(kind):
    prior = KINDS[kind]()
    z = prior.sample(40_000, torch.Generator().manual_seed(0)).double()
    assert z.var(0).mean().sqrt().item() == pytest.approx(prior.std, rel=0.02)


def test_tensors_of_another_shape_are_refused(folder):
    wrong = {
        "diagonal": {"mean": torch.zeros(3), "scale": torch.ones(2)},
        "box": {"low": torch.ones(3), "high": torch.zeros(3)},
        "gaussian": {"mean": torch.zeros(3), "root": torch.eye(2)},
        "mixture": mixture().tensors() | {"weights": torch.ones(3)},
    }
    for kind, tensors in wrong.items():
        with pytest.raises(ValueError, match=r"components|\(3,\)|minimum is above"):
            PRIOR_KINDS[kind].rebuild(tensors)
        with pytest.raises(KeyError):
            PRIOR_KINDS[kind].rebuild({"other": torch.zeros(3)})
    broken = Diagonal(torch.zeros(3), torch.ones(2))
    save_prior(broken, folder / "p", {})
    with pytest.raises(PriorError, match="does not hold a diagonal prior"):
        load_fitted(folder / "p")


def test_a_diagonal_has_each_components_own_mean_and_variance():
    z = codes()
    prior = Diagonal.fit(moments(z))
    torch.testing.assert_close(prior.mean, z.mean(0))
    torch.testing.assert_close(prior.scale, z.std(0))
    expected = (
        torch.distributions.Normal(prior.mean.double(), prior.scale.double()).log_prob(z.double()).sum(1)
    )
    torch.testing.assert_close(prior.log_density(z), expected)
    drawn = prior.sample(40_000, torch.Generator().manual_seed(1))
    off = torch.corrcoef(drawn.T) - torch.eye(3)
    assert off.abs().max() < 0.03, "components are independent: six standard errors"


def test_a_box_reaches_from_the_least_to_the_largest():
    z = codes()
    prior = Box.fit([*z.split(123), torch.empty(0, 3)])
    assert torch.equal(prior.low, z.amin(0))
    assert torch.equal(prior.high, z.amax(0))
    drawn = prior.sample(20_000, torch.Generator().manual_seed(1))
    assert ((drawn >= prior.low) & (drawn <= prior.high)).all()
    width = prior.high - prior.low
    assert ((drawn.amin(0) - prior.low) < 0.01 * width).all()
    inside = -width.double().log().sum().item()
    assert prior.log_density(z).tolist() == pytest.approx([inside] * len(z))
    assert prior.log_density(prior.high[None] + 1e-3).item() == -math.inf
    assert prior.support == "anywhere"
    assert Box.fit([z / z.abs().max()]).support == "box"
    with pytest.raises(PreimageError, match="needs at least one code"):
        Box.fit([])


@pytest.mark.parametrize("kind", DENSE)
def test_a_density_is_one_in_all(kind):
    """By importance: E[p(z) / q(z)] over draws of a wide normal q."""
    z = codes(dim=1)
    prior = {
        "diagonal": lambda: Diagonal.fit(moments(z)),
        "box": lambda: Box.fit([z]),
        "gaussian": lambda: Gaussian.fit(moments(z)),
        "mixture": lambda: mixture(dim=1),
    }[kind]()
    grid = torch.linspace(-40, 40, 80_001, dtype=torch.float64)[:, None]
    total = prior.log_density(grid).exp().sum().item() * 1e-3
    assert prior.log_density(grid).dtype == torch.float64
    assert total == pytest.approx(1, abs=2e-3)


@given(st.integers(1, 6), st.integers(0, 20))
def test_the_density_of_a_gaussian_is_torchs(dim, seed):
    z = codes(50, dim, seed)
    prior = Gaussian.fit(moments(z))
    root = prior.root.double()
    expected = torch.distributions.MultivariateNormal(prior.mean.double(), root @ root.T).log_prob(z.double())
    torch.testing.assert_close(prior.log_density(z), expected, rtol=1e-6, atol=1e-6)


def test_the_density_of_a_mixture_is_torchs():
    prior, z = mixture(dtype=torch.float64), codes()
    parts = torch.distributions.MultivariateNormal(prior.means, scale_tril=prior.roots)
    which = torch.distributions.Categorical(prior.weights)
    expected = torch.distributions.MixtureSameFamily(which, parts).log_prob(z.double())
    torch.testing.assert_close(prior.log_density(z), expected)
    assert prior.log_density(1e6 * z).isfinite().all(), "no density is so small that it is lost"


def test_draws_of_a_mixture_have_its_mean_and_covariance():
    prior = mixture()
    z = prior.sample(60_000, torch.Generator().manual_seed(0)).double()
    weights, means, roots = (part.double() for part in prior.tensors().values())
    mean = weights @ means
    covariance = sum(
        w * (r @ r.T + torch.outer(m - mean, m - mean)) for w, m, r in zip(weights, means, roots, strict=True)
    )
    error = (covariance.diagonal().max() / len(z)).sqrt().item()
    torch.testing.assert_close(z.mean(0), mean, rtol=0, atol=5 * error)
    torch.testing.assert_close(torch.cov(z.T), covariance, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("prior", "expected"), [(Normal(2), -math.log(2 * math.pi)), (Uniform(2), -math.log(4))]
)
def test_the_densities_of_the_fixed_priors(prior, expected):
    assert prior.log_density(torch.zeros(1, 2)).item() == pytest.approx(expected)
    assert prior.log_density(torch.tensor([[0.0, 1.5]])).item() == pytest.approx(
        expected - 1.125 if prior.name == "normal" else -math.inf
    )


def test_what_has_no_density_says_so():
    z = torch.cat([codes(), codes()[:, :1], torch.full((500, 1), 3.0)], 1)
    for prior in (Gaussian.fit(moments(z)), Diagonal.fit(moments(z)), Box.fit([z])):
        with pytest.raises(NoDensityError, match=r"span \d of 5 dimensions"):
            prior.log_density(z)
    with pytest.raises(NoDensityError, match="ball's surface"):
        KINDS["gaussian-in-ball"]().log_density(codes())
    with pytest.raises(NoDensityError, match="no known density"):
        network().log_density(codes())
