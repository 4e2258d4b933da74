"""What a fit alone does to PAG: against closed forms of Gaussian codes, and through the job `pag`."""

import math
from types import SimpleNamespace

import pytest
import torch

from code_stores import store_of
from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.jobs.base import Context
from preimage.jobs.fit_prior.job import FitPriorJob
from preimage.jobs.pag.job import PagJob
from preimage.latents.held_out import Split
from preimage.latents.priors import Gaussian
from preimage.metrics.pag import expected_pag, pag, store_pag
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE, fit_agreement, held_out_pag
from preimage.models.prior_folder import save_prior
from preimage.runs.run_folder import RunFolder

DIM = 4


def draw(count, seed):
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))


def fitted_to(z):
    """The Gaussian with mean 0 and the codes' own second moment."""
    root = torch.linalg.cholesky(z.double().T @ z.double() / len(z))
    return Gaussian(torch.zeros(DIM), root.float())


@pytest.mark.parametrize("count", [6, 40])
def test_the_pag_of_a_priors_own_codes_is_what_chance_gives(count):
    """The mean of 2,000, within four of its standard errors."""
    found = torch.tensor([pag([each], 1.0).pag for each in draw(2000 * count, 1).split(count)])
    error = found.std().item() / math.sqrt(len(found))
    assert found.mean().item() == pytest.approx(expected_pag(count, DIM), abs=4 * error)


def test_chance_is_about_the_number_of_covariances_over_twice_that_of_codes():
    assert expected_pag(10_000, 20) == pytest.approx(20 * 21 / 4e4, rel=0.01)


def test_codes_held_out_of_a_fit_are_as_far_as_chance_takes_them():
    """Beside what chance gives both parts, a fitted Gaussian's inverse has the mean m / (m - d - 1)."""
    m, n = 30, 20
    parts = [(draw(m, seed), draw(n, 10_000 + seed)) for seed in range(300)]
    found = torch.tensor([pag([_whitened(held_out, fitted)], 1.0).pag for fitted, held_out in parts])
    expected = 0.5 * (DIM * m / (m - DIM - 1) - DIM) + expected_pag(n, DIM) - expected_pag(m, DIM)
    error = found.std().item() / math.sqrt(len(found))
    assert found.mean().item() == pytest.approx(expected, abs=4 * error)
    held_out = parts[0][1]
    split = _split(*parts[0])
    assert held_out_pag(split, prior=fitted_to(parts[0][0])).pag == pytest.approx(found[0].item(), abs=0.02)
    assert held_out_pag(split, 1.0).pag == pag([held_out], 1.0).pag


def _whitened(z, fitted):
    root = torch.linalg.cholesky(fitted.double().T @ fitted.double() / len(fitted))
    return torch.linalg.solve_triangular(root, z.double().T, upper=False).T


def _split(training, held_out):
    store = SimpleNamespace(latent_dim=DIM)
    return SimpleNamespace(store=store, training=lambda: iter([training]), held_out=lambda: iter([held_out]))


@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_a_prior_agrees_with_the_codes_it_was_fitted_to_whatever_they_are(scale):
    """Self-fulfilling: far from Gaussian, of any scale, the PAG of the very codes is 0."""
    z = scale * draw(500, 0).sign() * torch.tensor([1.0, 2.0, 3.0, 4.0])
    found = fit_agreement(fitted_to(z), _split(z, draw(100, 1)))
    assert found[IN_SAMPLE] == pytest.approx(0, abs=1e-3)
    assert found[HELD_OUT] > 0.5


def test_what_is_not_finite_is_none():
    found = fit_agreement(fitted_to(draw(50, 0)), _split(draw(50, 0), draw(DIM - 1, 1)))
    assert found[HELD_OUT] is None
    assert found[IN_SAMPLE] is not None
    flat = Gaussian(torch.zeros(DIM), torch.zeros(DIM, DIM))
    assert fit_agreement(flat, _split(draw(50, 0), draw(50, 1))) == {IN_SAMPLE: None, HELD_OUT: None}


@pytest.fixture
def stores(folder):
    """Codes of an old and a new generator, of the same images."""
    return [store_of(folder / str(seed), (1 + seed) * draw(400, seed)) for seed in (0, 1)]


def context(folder, **inputs):
    resources = Resources(backend="local")
    return Context(RunFolder(folder / "run"), Catalog(folder), "f", resources, inputs)


def test_a_pag_against_a_fitted_prior_has_its_baseline_beside_it(folder, stores):
    fit = FitPriorJob.model_validate({"store": "s", "kind": "gaussian", "held_out": 0.25})
    fitted = run_job(fit, context(folder, store=stores[0].folder)).metrics
    prior = folder / "run" / "prior"
    old, new = (
        run_job(PagJob(store="s", prior="p"), context(folder, store=each.folder, prior=prior)).metrics
        for each in stores
    )
    assert old["pag_baseline"] == new["pag_baseline"] == old["pag_held_out"] == fitted["pag_held_out"]
    assert new["pag_in_sample"] == fitted["pag_in_sample"] < new["pag_baseline"] < new["pag_held_out"]
    count = sum(map(len, Split(stores[1], 0.25).held_out()))
    assert new["pag_held_out_n"] == old["pag_held_out_n"] == count
    assert new["pag_by_chance"] == expected_pag(count, DIM)
    assert new["pag_normal"] == store_pag(stores[1], std=1.0).pag


def test_a_prior_without_held_out_codes_has_no_baseline_and_says_so(folder, stores, caplog):
    save_prior(Gaussian(torch.zeros(DIM), torch.eye(DIM)), folder / "p", {"held_out": 0})
    found = run_job(
        PagJob(store="s", prior="p"), context(folder, store=stores[0].folder, prior=folder / "p")
    ).metrics
    assert found["pag_baseline"] is found["pag_held_out"] is None
    assert "how much of this one is the fit alone is not known" in caplog.text
