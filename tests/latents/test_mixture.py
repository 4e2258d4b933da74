"""The mixture's fit: against scikit-learn, against its own promises, and however the codes are stored."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from code_stores import store_of
from preimage.errors import PreimageError
from preimage.latents.held_out import Split
from preimage.latents.mixture import FLOOR, Frame, Mixture, Sums, fit_mixture, improve, start
from preimage.latents.priors import Gaussian
from preimage.latents.statistics import Moments

DIM = 3


def codes(count=400, dim=DIM, seed=0, groups=3, apart=3.0):
    random = torch.Generator().manual_seed(seed)
    means = apart * torch.randn(groups, dim, generator=random)
    which = torch.randint(groups, (count,), generator=random)
    return means[which] + torch.randn(count, dim, generator=random)


def fitted(z, components=3, **settings):
    reached = []
    found = fit_mixture(
        lambda: z.split(150), z, components, watch=lambda done, each: reached.append(each), **settings
    )
    return found, reached


def began(z, components, seed=1):
    return start(z, components, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("passes", [1, 4, 60])
def test_it_takes_scikit_learns_steps(passes):
    z = codes(apart=1.5).double()
    first = began(z, 3)
    precisions = torch.cholesky_inverse(first.roots[0]).expand(3, -1, -1)
    theirs = GaussianMixture(
        3, tol=0, reg_covar=0, max_iter=passes, weights_init=first.weights.numpy(),
        means_init=first.means.numpy(), precisions_init=precisions.numpy(),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(z.numpy())
    ours = improve(first, lambda: z.split(70), floor=0, passes=passes, tolerance=-np.inf)
    covariances = ours.roots @ ours.roots.mT
    for found, expected in zip((ours.weights, ours.means, covariances), _parts(theirs), strict=True):
        torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-8, atol=1e-9)
    assert ours.log_density(z).mean().item() == pytest.approx(theirs.score(z.numpy()), rel=1e-10)


def _parts(model):
    return model.weights_, model.means_, model.covariances_


@settings(max_examples=20, deadline=None)
@given(count=st.integers(8, 60), components=st.integers(1, 6), seed=st.integers(0, 1000))
def test_the_likelihood_never_falls(count, components, seed):
    """Also where there are so few codes that Gaussians become as thin as they may."""
    z = codes(count, seed=seed)
    _, reached = fitted(z, components, seed=seed, passes=40, tolerance=1e-9)
    assert (np.diff(reached) > -1e-9).all()


def test_few_codes_leave_no_gaussian_thinner_than_the_floor():
    z = codes(24)
    found, _ = fitted(z, 6, passes=50)
    frame = Frame.of(Moments.empty(DIM).update(z))
    white = torch.linalg.solve_triangular(frame.root, found.roots.double(), upper=False)
    least = torch.linalg.svdvals(white).square().amin(1)
    assert least.min().item() == pytest.approx(FLOOR, rel=1e-4)


def test_clipped_eigenvalues_are_the_likeliest_that_are_allowed():
    """No other covariance of eigenvalues above the floor makes the codes likelier."""
    z = (codes(30, groups=1) * torch.tensor([1.0, 1.0, 0.01])).double()
    one = Mixture(torch.ones(1).double(), torch.zeros(1, DIM).double(), torch.eye(DIM).double()[None])
    best = Sums.empty(1, DIM).update(one, z).maximum(0.3)
    reached, random = best.log_density(z).mean(), torch.Generator().manual_seed(0)
    for _ in range(50):
        other = best.roots @ best.roots.mT + 0.05 * _symmetric(random)
        values, vectors = torch.linalg.eigh(other)
        allowed = vectors * values.clamp_min(0.3)[:, None, :] @ vectors.mT
        rival = Mixture(best.weights, best.means, torch.linalg.cholesky(allowed))
        assert rival.log_density(z).mean() <= reached + 1e-12


def _symmetric(random):
    matrix = torch.randn(1, DIM, DIM, generator=random, dtype=torch.float64)
    return matrix + matrix.mT


@pytest.mark.parametrize("held_out", [0.0, 0.2])
def test_the_fit_is_the_same_from_any_parts(tmp_path, held_out):
    z, lost = codes(300), (5, 77)
    z[list(lost)] = 1e6
    found = []
    for parts in (1, 3, 17):
        split = Split(store_of(tmp_path / str(parts), z, parts, lost), held_out)
        found.append(fit_mixture(split.training, split.some(100, False), 3, seed=2))
    assert found[0].means.abs().max() < 100, "images that diverged are left out"
    for other in found[1:]:
        for name, expected in found[0].tensors().items():
            torch.testing.assert_close(other.tensors()[name], expected, rtol=1e-5, atol=1e-6)


def test_one_gaussian_is_the_gaussian():
    z = codes()
    found, reached = fitted(z, 1)
    plain = Gaussian.fit(Moments.empty(DIM).update(z))
    covariance = plain.root @ plain.root.T * (len(z) - 1) / len(z)  # the likeliest divides by n
    torch.testing.assert_close(found.means[0], plain.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.roots[0] @ found.roots[0].T, covariance, rtol=1e-4, atol=1e-4)
    assert reached[-1] == pytest.approx(found.log_density(z).mean().item(), rel=1e-6)


def test_groups_that_are_apart_are_found():
    z = codes(600, apart=12.0)
    found, reached = fitted(z, 3)
    away = torch.cdist(z, found.means)
    assert away.amin(1).mean() < 2, "each code is near one of the means"
    assert found.weights.min() > 0.2
    assert len(reached) < 30


def test_a_fit_follows_the_scale_of_the_codes_and_their_place():
    z, mix = codes(), torch.tensor([[30.0, 0, 0], [4, 0.01, 0], [0, 0, 1]])
    one, _ = fitted(z)
    other, _ = fitted(z @ mix.T + 50)
    torch.testing.assert_close(other.means, one.means @ mix.T + 50, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(other.weights, one.weights, rtol=1e-4, atol=1e-5)


def test_it_stops_when_the_likelihood_rises_by_less_than_asked():
    z = codes(apart=1.0)
    _, reached = fitted(z, passes=500, tolerance=1e-4)
    rises = np.diff(reached)
    assert rises[-1] < 1e-4 <= rises[:-1].min()
    assert len(fitted(z, passes=3, tolerance=1e-12)[1]) == 3


def test_a_start_has_means_among_the_codes_all_different():
    z = codes(50)
    first = began(z, 12)
    assert (torch.cdist(first.means, z.double()).amin(1) < 1e-6).all()
    assert len(first.means.unique(dim=0)) == 12
    assert torch.equal(first.means, began(z, 12).means)
    assert not torch.equal(first.means, began(z, 12, seed=2).means)


def test_a_start_is_spread_over_groups():
    """k-means++ finds three groups far apart almost surely; three codes by chance do so in two of nine."""
    z = codes(300, apart=40.0)
    for seed in range(8):
        means = began(z, 3, seed).means
        assert torch.cdist(means, means).add(torch.eye(3) * 1e9).min() > 10


def test_a_gaussian_that_loses_its_codes_does_no_harm():
    z = codes(groups=1).double()
    means = torch.stack([torch.zeros(DIM), torch.full((DIM,), 1e4)]).double()
    lonely = Mixture(torch.tensor([0.5, 0.5]).double(), means, torch.eye(DIM).double().expand(2, -1, -1))
    found = improve(lonely, lambda: [z], 1e-2, passes=5, tolerance=1e-6)
    assert found.weights.tolist() == [1, 0]
    assert found.log_density(z).isfinite().all()
    assert found.sample(50, torch.Generator().manual_seed(0)).abs().max() < 100


def test_codes_that_a_mixture_cannot_be_fitted_to_are_refused():
    z = codes(100)
    flat = torch.cat([z, z[:, :1]], 1)
    with pytest.raises(PreimageError, match="span 3 of 4 dimensions have no density; fit a gaussian"):
        fitted(flat)
    few = torch.cat([torch.zeros(1, DIM), torch.eye(DIM)]).repeat(5, 1)
    with pytest.raises(PreimageError, match="9 Gaussians need as many distinct codes but got 4"):
        fitted(few, 9)
    with pytest.raises(PreimageError, match="a covariance needs at least two"):
        fitted(z[:1])
