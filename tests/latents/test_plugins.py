"""Priors that plugins bring: fitted, saved, read again, and refused where they are not whole."""

import sys

import pytest
import torch

from code_stores import store_of
from declared import run_job
from preimage import plugins
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import PluginError, PriorError
from preimage.jobs.base import Context
from preimage.jobs.compare_priors.job import ComparePriorsJob
from preimage.jobs.fit_prior.job import FitPriorJob
from preimage.jobs.registry import plugins_of
from preimage.latents.held_out import Split
from preimage.models.cards import read_prior_card
from preimage.models.prior_folder import load_fitted, save_prior
from preimage.runs.run_folder import RunFolder

CODE = """
from dataclasses import dataclass
import torch
from preimage.config import Config, PositiveFloat
from preimage.latents.prior_kinds import PriorKind

class Settings(Config):
    spread: PositiveFloat

@dataclass
class Laplace:
    mean: torch.Tensor
    scale: torch.Tensor
    name: str = "laplace"
    support: str = "anywhere"
    @property
    def latent_dim(self):
        return len(self.mean)
    @property
    def std(self):
        return (2 * self.scale.square().mean()).sqrt().item()
    def sample(self, count, generator):
        u = torch.rand(count, self.latent_dim, generator=generator) - 0.5
        return self.mean - self.scale * u.sign() * (-2 * u.abs()).log1p()
    def log_density(self, z):
        mean, scale = self.mean.double(), self.scale.double()
        return (-(z.double() - mean).abs() / scale - (2 * scale).log()).sum(1)
    def tensors(self):
        return {"mean": self.mean, "scale": self.scale}

def rebuild(tensors):
    return Laplace(tensors["mean"], tensors["scale"])

def fit(codes, settings, seed, report):
    mean = codes.some(100).mean(0)
    total = sum((z - mean).abs().sum(0) for z in codes())
    report(codes.count, codes.count, {"mean_distance": total.mean().item() / codes.count})
    return Laplace(mean, settings.spread * total / codes.count)

LAPLACE = PriorKind(rebuild, fit, Settings)
"""
ENTRIES = {"priors": {"laplace": "preimage_extra:LAPLACE"}}


@pytest.fixture
def store(folder):
    z = torch.distributions.Laplace(1.0, torch.tensor([0.5, 1, 2])).sample((300,))
    return store_of(folder / "store", z)


def job(**keys) -> FitPriorJob:
    return FitPriorJob.model_validate({"store": "s", "kind": "laplace", "settings": {"spread": 1.0}} | keys)


def context(place, **inputs):
    used = plugins_of(job())
    return Context(RunFolder(place), Catalog(place), "f", Resources(backend="local"), inputs, plugins=used)


def test_a_prior_is_fitted_kept_and_compared(plug, folder, store):
    plug(ENTRIES, CODE)
    here = context(folder / "run", store=store.folder)
    result = run_job(job(), here)
    z = torch.cat(list(Split(store, 0.1).training()))
    prior, card = load_fitted(folder / "run" / "prior"), read_prior_card(folder / "run" / "prior")
    torch.testing.assert_close(prior.scale, (z - prior.mean).abs().mean(0))
    assert (card.kind, card.training["plugins"]) == ("laplace", {"preimage-extra": "1.2"})
    assert result.metrics["passes"] == 1
    assert here.run.curve("mean_distance")[0][0] == len(z) == result.metrics["codes"]
    assert list(result.figures) == ["marginals.png", "fit.png"]

    compare = ComparePriorsJob.model_validate(
        {"store": "s", "priors": {"normal": "normal", "own": "fit"}, "repeats": 1}
    )
    inputs = {"store": store.folder, "priors.own": folder / "run" / "prior"}
    outcome = run_job(compare, context(folder / "compare", **inputs)).metrics
    assert outcome["likeliest"] == "own"
    assert outcome["held_out_log_likelihood"]["own"] == result.metrics["held_out_log_likelihood"]


def test_without_its_plugin_a_prior_says_what_to_install(plug, folder, store, monkeypatch, caplog):
    place = plug(ENTRIES, CODE)
    run_job(job(), context(folder / "run", store=store.folder))
    save_prior(load_fitted(folder / "run" / "prior"), folder / "beside", {"job": "train-gan"})
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(place)])
    plugins.forget()
    for kept in ("run/prior", "beside"):
        with pytest.raises(
            PluginError, match=r"was made with the plugin preimage-extra 1.2, .* install that version"
        ):
            load_fitted(folder / kept)
    plug(ENTRIES, CODE, version="2.0", name="preimage-extra")
    assert load_fitted(folder / "beside").name == "laplace"
    assert "was made with preimage-extra 1.2; here is 2.0" in caplog.text


def test_a_kind_that_nothing_brings_has_a_nearest_name(folder, store):
    card = {"format": 1, "kind": "gausian", "latent_dim": 3, "weights_sha256": ""}
    (folder / "p").write_json("config.json", card)
    with pytest.raises(PriorError, match="kind 'gausian': no such kind of prior; did you mean 'gaussian'?"):
        load_fitted(folder / "p")


WRONG = {
    "without log_density, std": "type('P', (), dict.fromkeys(HALF, print))()",
    "must have the name 'laplace'": "Laplace(fitted.mean, fitted.scale, name='other')",
    "must return a flat dict of tensors": "with_(tensors=lambda: {'mean': {}})",
    r"cannot be rebuilt from its own tensors \(KeyError: 'scale'\)": "with_(tensors=lambda: {'mean': m})",
    "other draws or densities": "with_(tensors=lambda: {'mean': m + 1e-3, 'scale': fitted.scale})",
    r"must return \(64,\) float64 from log_density": "with_(log_density=lambda z: z.sum(1))",
    "log_density of NaN": "with_(log_density=lambda z: torch.nan * z.double().sum(1))",
    r"must return \(64, 3\) float32 from sample": "with_(sample=lambda n, random: torch.zeros(n, 2))",
}


@pytest.mark.parametrize("why", WRONG)
def test_a_prior_that_is_not_whole_is_refused_before_it_is_kept(plug, folder, store, why):
    code = f"""
def wrong(codes, settings, seed, report):
    fitted = fit(codes, settings, seed, report)
    m = fitted.mean
    def with_(**parts):
        vars(fitted).update(parts)
        return fitted
    HALF = ("sample", "tensors", "name", "latent_dim", "support")
    return {WRONG[why]}

LAPLACE = PriorKind(rebuild, wrong, Settings)
"""
    plug(ENTRIES, CODE + code)
    with pytest.raises(PluginError, match=f"^the prior 'laplace' of preimage-extra 1.2 .*{why}"):
        run_job(job(), context(folder / "run", store=store.folder))
    assert not (folder / "run" / "prior").exists()
