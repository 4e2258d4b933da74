"""PAG against its closed form, numpy's SVD and itself under splits and rotations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.latents.priors import Gaussian, Normal
from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo
from preimage.latents.statistics import Moments
from preimage.latents.store import StoreWriter
from preimage.metrics.pag import pag, pag_from_gram, store_pag
from preimage.metrics.prior_std import PagError

DIM = 6


def draw(count, scales, seed=0):
    """Codes (count, d) float32 of N(0, diag scales^2)."""
    normal = torch.randn(count, len(scales), generator=torch.Generator().manual_seed(seed))
    return normal * torch.tensor(scales)


@pytest.mark.parametrize("std", [1.0, 1 / math.sqrt(3)])
@pytest.mark.parametrize("scales", [[1.0] * 5, [0.5, 1.0, 1.5, 2.0, 3.0]])
def test_closed_form_for_known_gaussians(scales, std):
    """The error of a variance v from N codes is v sqrt(2 / N), so that of PAG sqrt(sum (v/s^2 - 1)^2 / (2N)),
    plus a bias of d (d + 1) / (4 N) at the prior itself, where the first term is nought."""
    count = 200_000
    ratios = [(scale / std) ** 2 for scale in scales]
    expected = 0.5 * sum(ratio - math.log(ratio) - 1 for ratio in ratios)
    error = math.sqrt(sum((ratio - 1) ** 2 for ratio in ratios) / (2 * count)) + 30 / (4 * count)
    assert pag([draw(count, scales)], std).pag == pytest.approx(expected, abs=4 * error)


def test_equal_to_an_svd_in_float64():
    z = draw(500, [0.2, 0.5, 1.0, 2.0, 4.0, 8.0]) + 0.3
    values = np.linalg.svd(z.double().numpy(), compute_uv=False)
    result = pag(z.split(77), 0.7)
    for found, squares in ((result.pag_raw, values**2), (result.pag, values**2 / 500)):
        ratio = squares / 0.7**2
        assert found == pytest.approx(0.5 * float((ratio - np.log(ratio) - 1).sum()), rel=1e-9)
    assert result.singular_values.numpy() == pytest.approx(values, rel=1e-9)
    assert result.count == 500


@pytest.mark.parametrize("std", [1.0, 0.25])
def test_whitened_codes_have_none(std):
    basis = np.linalg.qr(draw(64, [1.0] * DIM).double().numpy())[0]
    z = torch.from_numpy(basis * math.sqrt(64) * std)
    assert pag([z], std).pag == pytest.approx(0, abs=1e-12)


def test_a_paper_figure_by_hand():
    """One code 2 in one dimension: v = 2, so PAG = (4 - log 4 - 1) / 2."""
    result = pag([torch.tensor([[2.0]])], 1.0)
    assert result.pag_raw == pytest.approx(0.5 * (4 - math.log(4) - 1))
    four = pag([torch.full((4, 1), 2.0)], 1.0)
    assert four.pag == pytest.approx(result.pag)
    assert four.pag_raw == pytest.approx(0.5 * (16 - math.log(16) - 1))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999))
def test_a_rotation_changes_nothing(seed):
    z = draw(50, [0.5, 1.0, 2.0], seed).double()
    rotation = torch.linalg.qr(draw(3, [1.0] * 3, seed + 1).double())[0]
    assert pag([z @ rotation], 1.0).pag == pytest.approx(pag([z], 1.0).pag, rel=1e-10)


def test_a_store_of_any_number_of_parts_has_one_value(tmp_path):
    z = draw(170, [0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    results = [store_pag(store_of(tmp_path / str(parts), z, parts)) for parts in (1, 3, 17)]
    whole = pag([z], 1 / math.sqrt(3))
    assert [result.pag for result in results] == pytest.approx([whole.pag] * 3, rel=1e-12)
    assert [result.pag_raw for result in results] == pytest.approx([whole.pag_raw] * 3, rel=1e-12)
    assert {result.count for result in results} == {170}


@pytest.mark.parametrize("parts", [1, 7])
def test_images_that_diverged_are_skipped(tmp_path, parts):
    z = draw(90, [0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    lost = torch.arange(90) % 4 == 1
    wild = torch.where(lost[:, None], 1e6, z)
    found, others = store_pag(store_of(tmp_path, wild, parts, lost=lost)), pag([z[~lost]], 1 / math.sqrt(3))
    assert (found.count, found.skipped) == (67, 23)
    assert (found.pag, found.pag_raw) == pytest.approx((others.pag, others.pag_raw), rel=1e-12)


def test_a_store_with_too_few_images_that_did_not_diverge(tmp_path):
    z = draw(20, [1.0] * DIM)
    with pytest.raises(PagError, match="got 5 codes of 6 dimensions"):
        store_pag(store_of(tmp_path, z, 2, lost=torch.arange(20) >= 5))


def test_a_store_whose_prior_has_no_known_std(tmp_path):
    z = draw(20, [1.0] * DIM)
    store = store_of(tmp_path, z, 2, prior="ball")
    with pytest.raises(PagError, match="'ball' does not determine the prior's std"):
        store_pag(store)
    assert store_pag(store, std=0.5).pag == pytest.approx(pag([z], 0.5).pag)


def test_against_a_fitted_prior_it_is_the_divergence_of_two_gaussians(tmp_path):
    """In closed form, of uncentred second moments; only those of the prior are of draws."""
    z = draw(400, [0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    root = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(3)) + 2 * torch.eye(DIM)
    prior = Gaussian(torch.full((DIM,), 0.3), root)
    codes = z.double().T @ z.double() / len(z)
    other = (root @ root.T + torch.outer(prior.mean, prior.mean)).double()
    ratio = torch.linalg.solve(other, codes)
    expected = 0.5 * (ratio.trace() - DIM - torch.linalg.slogdet(ratio).logabsdet).item()
    found = store_pag(store_of(tmp_path, z, 3), prior=prior)
    assert found.pag == pytest.approx(expected, rel=0.02)
    assert store_pag(store_of(tmp_path / "own", z, 3), prior=Normal(DIM)).pag == pytest.approx(
        pag([z], 1.0).pag, rel=0.02
    )


def test_a_prior_that_does_not_span_its_dimensions_is_refused(tmp_path):
    flat = Gaussian(torch.zeros(DIM), torch.diag(torch.tensor([0.0] + [1.0] * (DIM - 1))))
    with pytest.raises(PagError, match="codes of the gaussian prior do not span"):
        store_pag(store_of(tmp_path, draw(20, [1.0] * DIM), 2), prior=flat)


def test_codes_that_pag_is_not_finite_for_are_refused():
    with pytest.raises(PagError, match="got 3 codes of 5 dimensions"):
        pag([draw(3, [1.0] * 5)], 1.0)
    with pytest.raises(PagError, match="got none"):
        pag([], 1.0)
    with pytest.raises(PagError, match="not finite"):
        pag([torch.full((4, 2), torch.nan)], 1.0)
    with pytest.raises(PagError, match="std must be positive but got 0"):
        pag([draw(9, [1.0])], 0.0)


@pytest.mark.parametrize("count", [10, 1000, 100_000])
def test_codes_that_do_not_span_are_refused(count):
    z = draw(count, [1.0, 2.0, 3.0, 4.0])
    z[:, 1] = 0
    z[:, 3] = 2 * z[:, 0]
    with pytest.raises(PagError, match="span 2 of 4 dimensions"):
        pag(z.split(1000), 1.0)


def test_narrow_codes_are_not_taken_for_ones_that_do_not_span():
    z = draw(1000, [1e-5, 1.0])
    assert pag([z], 1.0).singular_values[1].item() == pytest.approx(z[:, 0].norm().item(), rel=1e-3)


def test_partial_grams_add_up():
    z = draw(90, [1.0, 2.0])
    halves = Moments.empty(2).update(z[:30]).merge(Moments.empty(2).update(z[30:]))
    assert pag_from_gram(halves.gram, halves.count, 1.0).pag == pytest.approx(pag([z], 1.0).pag)


def store_of(folder, z, parts, prior="uniform", lost=None):
    """lost: (n,) bool, the images that diverged."""
    loss = torch.zeros(len(z)) if lost is None else torch.where(lost, torch.nan, 0.0)
    about = About(
        generator=GeneratorInfo(fingerprint="g"),
        dataset=DatasetInfo(fingerprint="d", count=len(z)),
        latent_dim=z.shape[1],
        prior=prior,
    )
    writer = StoreWriter(folder, about, parts, len(z))
    for index, ids in enumerate(torch.arange(len(z)).chunk(parts)):
        zeros = torch.zeros(len(ids), dtype=torch.int32)
        none = torch.zeros(len(ids), dtype=torch.bool)
        writer.write(index, Codes(ids, zeros, z[ids], loss[ids], zeros, zeros, none))
    return writer.finish()
