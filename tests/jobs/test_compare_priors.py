"""Comparing priors: the table of a job, and what it refuses."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from code_stores import store_of
from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import PriorError, StoreError
from preimage.jobs.base import Context
from preimage.jobs.compare_priors import run as compare_priors
from preimage.jobs.compare_priors.job import ComparePriorsJob
from preimage.jobs.compare_priors.report import TRAINING, ComparePriorsReport, PriorRow, Spread
from preimage.jobs.references import references
from preimage.latents.fitted import Box, Diagonal
from preimage.latents.held_out import Likelihood, Split
from preimage.latents.mixture import fit_mixture
from preimage.latents.priors import Gaussian, Normal
from preimage.latents.statistics import Moments
from preimage.models.prior_folder import save_prior
from preimage.runs.run_folder import RunFolder

FITTED = {"one each": "diagonal", "box": "box", "gaussian": "gaussian", "mixture": "mixture"}


def job(**settings):
    priors = {"N (0 1)": "normal", "uniform": "uniform"} if "priors" not in settings else {}
    given = {"store": "s", "held_out": 0.3, "priors": {**priors, **FITTED}, "repeats": 2}
    return ComparePriorsJob.model_validate(given | settings)


@pytest.fixture
def codes():
    """Three groups, so that a mixture is the best of all."""
    random = torch.Generator().manual_seed(0)
    means = torch.tensor([[4.0, 0, 0], [0, 4, 0], [-3, -3, 1]])
    return means[torch.randint(3, (600,), generator=random)] + 0.5 * torch.randn(600, 3, generator=random)


@pytest.fixture
def store(folder, codes):
    return store_of(folder / "store", codes, lost=(7,))


@pytest.fixture
def context(folder, store):
    split = Split(store, 0.3)
    moments = Moments.of(split.training())
    priors = {
        "diagonal": Diagonal.fit(moments),
        "box": Box.fit(split.training()),
        "gaussian": Gaussian.fit(moments),
        "mixture": fit_mixture(split.training, split.some(100, False), 3),
    }
    about = {"job": "fit-prior", "store": store.fingerprint, "held_out": 0.3}
    for name, prior in priors.items():
        save_prior(prior, folder / name, about)
    inputs = {f"priors.{name}": folder / kind for name, kind in FITTED.items()} | {"store": store.folder}
    return Context(RunFolder(folder / "run"), Catalog(folder), "", Resources(backend="local"), inputs)


@pytest.fixture
def done(context):
    return run_job(job(), context)


def test_priors_that_are_nearer_come_first(done, store):
    metrics = done.metrics
    order = list(metrics["energy_distance"])
    assert order.index("mixture") < order.index("gaussian") < order.index("box")
    assert list(metrics["energy_distance"].values()) == sorted(metrics["energy_distance"].values())
    assert TRAINING in order[:2]
    assert (metrics["nearest"], metrics["likeliest"]) == ("mixture", "mixture")
    assert metrics["codes"] == len(torch.cat(list(Split(store, 0.3).held_out())))
    assert [each.name for each in job().metrics() if each.headline] == ["nearest", "likeliest"]
    json.dumps(metrics, allow_nan=False)
    lines = done.table.splitlines()
    assert [line.split(" | ")[0] for line in lines[4:]] == [f"| {name}" for name in order]
    assert len(lines) == 4 + 7


def test_likelihoods_are_of_all_held_out_codes_whatever_is_drawn(context, done, store):
    held_out = torch.cat(list(Split(store, 0.3).held_out()))
    expected = Normal(3).log_density(held_out).mean().item()
    found = done.metrics["held_out_log_likelihood"]
    assert found["N (0 1)"] == pytest.approx(expected)
    assert found["uniform"] is None
    assert done.metrics["held_out_outside"]["uniform"] == (held_out.abs() > 1).any(1).double().mean()
    assert TRAINING not in found
    fewer = run_job(job(draws=20), context).metrics
    assert fewer["codes"] == 20
    assert fewer["held_out_log_likelihood"] == pytest.approx(found)


def test_the_floor_is_of_the_training_codes_and_near_zero(done):
    energy, spread = (done.metrics[name] for name in ("energy_distance", "energy_distance_std"))
    assert abs(energy[TRAINING]) < 0.1 * energy["gaussian"]
    assert all(value > 0 for value in spread.values())
    frechet = done.metrics["frechet_distance"]
    assert frechet[TRAINING] < 0.1 * frechet["N (0 1)"]


def test_a_run_is_repeatable_and_its_seed_decides_the_draws(context, done):
    assert run_job(job(), context).metrics == done.metrics
    other = run_job(job(seed=1), context).metrics
    assert other["energy_distance"]["gaussian"] != done.metrics["energy_distance"]["gaussian"]
    assert other["held_out_log_likelihood"] == done.metrics["held_out_log_likelihood"]


def test_training_codes_are_others_each_time_and_never_held_out(store):
    split = Split(store, 0.3)
    training = {tuple(z) for z in torch.cat(list(split.training())).tolist()}
    blocks = [{tuple(z) for z in each.tolist()} for each in compare_priors._blocks(split, 100, 4)]
    assert all(block <= training for block in blocks)
    assert len(set.union(*blocks)) == 400
    scarce = list(compare_priors._blocks(split, 300, 3))
    assert [len({tuple(z) for z in each.tolist()}) for each in scarce] == [300] * 3
    few = list(compare_priors._blocks(Split(store, 0.9), 500, 2))
    assert len(few[0]) == len(few[1]) < 100


def test_figures_are_drawn(done):
    assert list(done.figures) == ["distances.png", "codes.png"]
    for png in done.figures.values():
        picture = Image.open(io.BytesIO(png))
        assert np.asarray(picture.convert("L")).std() > 5


def test_fixed_priors_are_no_inputs():
    found = references(job(priors={"a": "normal", "b": "uniform", "normal": "step"}))
    assert found == {"store": "s", "priors.normal": "step"}
    assert [each.product for each in found.values()] == ["store", "prior"]


def refused(context, folder, training, prior=None):
    prior = prior or Diagonal(torch.zeros(3), torch.ones(3))
    save_prior(prior, folder / "other", training)
    context.inputs["priors.mine"] = folder / "other"
    begun = []

    def progress(task):
        begun.append(task)
        return lambda done, total: None

    with pytest.raises(PriorError) as said:
        run_job(job(priors={"N": "normal", "mine": "run"}), replace(context, progress=progress))
    assert not begun, "before any work"
    return str(said.value)


def test_priors_of_other_codes_are_refused(context, folder, store):
    right = {"store": store.fingerprint, "held_out": 0.3}
    said = refused(context, folder, right | {"store": "x"})
    assert said.startswith("mine: ")
    assert "was fitted to another store than" in said
    assert "another store" in refused(context, folder, {})
    assert "held_out=0.1, so it has seen" in refused(context, folder, right | {"held_out": 0.1})
    assert "ask for less here" in refused(context, folder, {"store": store.fingerprint})
    four = Diagonal(torch.zeros(4), torch.ones(4))
    assert "a prior of 4 components" in refused(context, folder, right, four)
    card = (folder / "other").read_json("config.json")
    (folder / "other").write_json("config.json", card | {"kind": "crystal ball"})
    with pytest.raises(PriorError, match="mine: .*kind 'crystal ball'"):
        run_job(job(priors={"mine": "run"}), context)


def test_a_prior_that_held_more_out_is_taken(context, store):
    assert run_job(job(held_out=0.1), context).metrics["codes"] < 90


def test_too_few_held_out_codes_are_refused(folder, context):
    context.inputs["store"] = store_of(folder / "few", torch.randn(3, 2), parts=1).folder
    with pytest.raises(StoreError, match=r"held_out=0.001 holds 0 of 3 codes out: raise it"):
        run_job(job(held_out=0.001, priors={"N": "normal"}), context)


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(ValidationError, match="is a row of its own"):
        job(priors={TRAINING: "normal"})
    with pytest.raises(ValidationError, match="a prior's name is letters"):
        job(priors={"a.b": "normal"})
    for wrong in ({"priors": {}}, {"held_out": 0}, {"held_out": 1}, {"draws": 1}, {"repeats": 0}):
        with pytest.raises(ValidationError):
            job(**wrong)
    assert job(priors={"N": "normal"}, draws=10).cost(None) == {"codes drawn at most": 20}


def test_a_table_says_what_has_no_likelihood_and_why():
    near, far = Spread(0.1, 0.01), Spread(2.0, 0.0)
    rows = {
        "box": PriorRow(far, far, Likelihood(9, None, 0.25)),
        TRAINING: PriorRow(Spread(-0.001, 0.002), near),
        "pgan": PriorRow(near, near, Likelihood(9, None, reason="nobody knows")),
    }
    report = ComparePriorsReport(rows, 9, 3)
    lines = report.table().splitlines()[4:]
    assert lines[0] == f"| {TRAINING} | -0.0010 ± 0.0020 | 0.1000 ± 0.0100 |  |"
    assert lines[1].endswith("| none: nobody knows |")
    assert lines[2].endswith("| -∞: 25.00% are outside |")
    assert (report.metrics()["nearest"], report.metrics()["likeliest"]) == ("pgan", None)
