"""Fitting a prior: the job from a store to a prior's folder."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from code_stores import store_of
from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import PreimageError
from preimage.jobs.base import Context
from preimage.jobs.fit_prior.job import FitPriorJob
from preimage.jobs.references import references
from preimage.latents.held_out import Split, likelihood
from preimage.metrics.pag_of_fit import fit_agreement
from preimage.models.cards import read_prior_card
from preimage.models.prior_folder import load_fitted
from preimage.runs.run_folder import RunFolder
from preimage.specs.validation import check

KINDS = {"diagonal": {}, "box": {}, "gaussian": {}, "mixture": {"settings": {"components": 2}}}


def job(kind, **keys):
    return FitPriorJob.model_validate({"store": "s", "kind": kind} | KINDS[kind] | keys)


@pytest.fixture
def store(folder):
    random = torch.Generator().manual_seed(0)
    z = torch.randn(200, 4, generator=random)
    z[::2] += 5
    z[3] = 1e4
    return store_of(folder / "store", z, lost=(3,))


def context(folder, store, shown=None):
    def progress(task):
        return lambda done, total: shown.append((task, done, total)) if shown is not None else None

    return Context(
        RunFolder(folder / "run"),
        Catalog(folder),
        "f",
        Resources(backend="local"),
        {"store": store.folder},
        progress=progress,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_leaves_a_prior_of_the_codes_that_are_not_held_out(folder, store, kind):
    result = run_job(job(kind, held_out=0.3), context(folder, store))
    prior, card = load_fitted(folder / "run" / "prior"), read_prior_card(folder / "run" / "prior")
    assert (card.kind, card.latent_dim) == (kind, 4)
    assert card.training == {
        "job": "fit-prior", "fingerprint": "f", "store": store.fingerprint, "generator": "gen",
        "held_out": 0.3, **fit_agreement(prior, Split(store, 0.3)),
    }  # fmt: skip
    split, metrics = Split(store, 0.3), result.metrics
    assert metrics["pag_held_out"] == card.training["pag_held_out"] > 0
    z = torch.cat(list(split.training()))
    assert (metrics["codes"], metrics["codes_held_out"], metrics["codes_skipped"]) == (
        len(z),
        199 - len(z),
        1,
    )
    drawn = prior.sample(20_000, torch.Generator().manual_seed(0))
    if kind == "box":
        assert torch.equal(torch.stack([prior.low, prior.high]), torch.stack([z.amin(0), z.amax(0)]))
    else:
        torch.testing.assert_close(drawn.mean(0), z.mean(0), rtol=0, atol=0.15)
        assert prior.std == pytest.approx(z.var(0).mean().sqrt().item(), rel=0.01)
    assert metrics["training_log_likelihood"] == likelihood(prior, split.training()).mean
    assert metrics["held_out_log_likelihood"] == likelihood(prior, split.held_out()).mean
    shown = [each.name for each in job(kind).metrics() if each.headline]
    assert shown == ["held_out_log_likelihood", "training_log_likelihood", "codes"]
    json.dumps(metrics, allow_nan=False)
    for png in result.figures.values():
        picture = Image.open(io.BytesIO(png))
        assert np.asarray(picture.convert("L")).std() > 5


def test_a_mixture_is_followed_pass_by_pass(folder, store):
    shown = []
    here = context(folder, store, shown)
    result = run_job(job("mixture"), here)
    curve, count = here.run.curve("log_likelihood"), result.metrics["codes"]
    seen = [count * (i + 1) for i in range(int(result.metrics["passes"]))]
    assert [codes for codes, _ in curve] == seen
    assert (np.diff([value for _, value in curve]) > -1e-9).all()
    assert curve[-1][1] == pytest.approx(result.metrics["training_log_likelihood"], abs=1e-2)
    assert shown == [*(("fitting the mixture", each, 200 * count) for each in seen), (*shown[0][:1], 1, 1)]
    assert list(result.figures) == ["marginals.png", "fit.png"]
    again = run_job(job("mixture"), context(folder, store))
    assert again.metrics == result.metrics, "a run that was killed and starts again is the same"


def test_a_seed_decides_a_mixture(folder, store):
    kept = [
        run_job(job("mixture", settings={"components": 5}, seed=seed), context(folder / str(seed), store))
        for seed in (0, 1)
    ]
    assert kept[0].metrics["training_log_likelihood"] != kept[1].metrics["training_log_likelihood"]


def test_two_groups_are_likelier_under_two_gaussians(folder, store):
    found = {
        kind: run_job(job(kind), context(folder / kind, store)).metrics["held_out_log_likelihood"]
        for kind in ("diagonal", "gaussian", "mixture")
    }
    assert found["diagonal"] < found["gaussian"] < found["mixture"]


def test_all_codes_may_be_fitted_to(folder, store):
    metrics = run_job(job("gaussian", held_out=0), context(folder, store)).metrics
    assert (metrics["codes"], metrics["codes_held_out"], metrics["held_out_log_likelihood"]) == (199, 0, None)


def test_codes_that_are_flat_have_a_gaussian_without_a_density(folder):
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    flat = store_of(folder / "flat", torch.cat([z, z[:, :1]], 1))
    metrics = run_job(job("gaussian"), context(folder, flat)).metrics
    assert metrics["training_log_likelihood"] is None
    drawn = load_fitted(folder / "run" / "prior").sample(9, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn[:, 0], drawn[:, 2], rtol=1e-4, atol=1e-5)
    with pytest.raises(PreimageError, match="cannot fit a mixture"):
        run_job(job("mixture"), context(folder, flat))


def test_components_are_a_mixtures():
    for given, where, why in (
        ({"settings": None}, "settings.components", "is required"),
        ({"settings": {"componets": 3}}, "settings.componets", "no such key; did you mean 'components'?"),
        ({"settings": {"components": 3, "tolerance": 0}}, "settings.tolerance", "should be greater than 0"),
        ({"kind": "box"}, "settings", "box has no settings of its own: remove them"),
        ({"kind": "mixtur"}, "kind", "'mixtur': no such prior; did you mean 'mixture'?"),
        ({"kind": "pgan", "settings": None}, "kind", "pgan is fitted by the job train-prior: run that"),
        ({"held_out": 1}, "held_out", "should be less than 1"),
        ({"held_out": -0.1}, "held_out", "should be greater than or equal to 0"),
    ):
        _, mistakes = check(FitPriorJob, {"store": "s", "kind": "mixture"} | KINDS["mixture"] | given)
        found = {".".join(map(str, place)): problem for place, problem in mistakes}
        assert found[where].startswith(why)


def test_the_schema_knows_which_settings_each_kind_has():
    schema = FitPriorJob.model_json_schema()
    assert schema["properties"]["kind"]["enum"] == list(KINDS)
    (rule,) = schema["allOf"]
    assert rule["if"]["properties"] == {"kind": {"const": "mixture"}}
    own = rule["then"]["properties"]["settings"]
    assert (own["required"], own["additionalProperties"]) == (["components"], False)


def test_a_resolved_spec_shows_all_settings_of_its_kind():
    shown = job("mixture").model_dump(mode="json")
    assert shown["settings"] == {"components": 2, "max_iterations": 200, "tolerance": 1e-3}
    assert "settings" not in job("box").model_dump(mode="json")
    assert FitPriorJob.model_validate(shown) == job("mixture")


def test_a_fit_needs_a_store_and_makes_a_prior():
    assert references(job("box")) == {"store": "s"}
    assert [each.product for each in references(job("box")).values()] == ["store"]
    assert FitPriorJob.makes == {"prior"}


def test_costs():
    assert job("box").cost(70) == {"codes": 70}
    few = job("mixture", settings={"components": 2, "max_iterations": 9})
    assert few.cost(70) == {"codes": 70, "passes over the codes at most": 9}
    assert job("gaussian").cost(None) == {}
