"""A GAN's own codes as its prior: a whole pipeline on a few digits, and its rounds."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors import torch as safetensors

from evaluate_jobs import classifier
from faulty import planned
from induced_pipeline import GAN, INVERT, MORE, PRIOR, STAGES, spec
from preimage.data.catalog import Catalog
from preimage.errors import PriorError, StoreError
from preimage.jobs.base import Context
from preimage.jobs.made_by import generator_text
from preimage.jobs.train.running import continued, training_seed
from preimage.latents.priors import Normal
from preimage.latents.store import Store
from preimage.metrics.pag import store_pag
from preimage.models.cards import read_card, read_prior_card
from preimage.models.generator_folder import load_prior
from preimage.models.prior_folder import load_fitted
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.rounds import skipped
from preimage.runs.checkpoints import newest
from preimage.runs.metrics import plain_name
from preimage.specs.load import load
from preimage.storage.folder import Folder


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Two rounds of everything."""
    place = tmp_path_factory.mktemp("induced")
    classifier(Folder.at(place / "classifier"))
    plan = make_plan(spec(place / "results"))
    return plan, execute(plan)


def test_the_codes_come_from_the_prior_of_the_round(done):
    plan, _ = done
    runs = {step.name: step.run for step in plan.steps}
    card = read_card(runs["train-2"].product("generator"))
    assert card.generator.prior == "fitted"
    own, learned = (
        load_prior(runs["train-2"].product("generator"), card),
        load_fitted(runs["prior-2"].product("prior")),
    )
    same = (each.sample(5, torch.Generator().manual_seed(0)) for each in (own, learned))
    assert torch.equal(*same)
    store = Store.open(runs["invert-1"].product("store"))
    about = read_prior_card(runs["prior-2"].product("prior")).training
    assert (about["store"], about["generator"]) == (store.fingerprint, store.about.generator.fingerprint)
    assert store.about.prior == "fitted"


def test_it_goes_on_from_where_the_generator_was(done):
    """A few steps move its weights a little; those of another seed would be far away."""
    plan, _ = done
    runs = {step.name: step.run for step in plan.steps}
    first, more, fresh = (
        torch.cat([each.flatten() for each in _weights(runs[name]).values()])
        for name in ("train", "train-1", "control")
    )
    assert not torch.equal(first, more)
    assert (first - more).norm() < first.norm() / 2
    assert not torch.equal(more, fresh)


def test_what_continues_a_run_draws_anew_whatever_the_seed(done):
    """Else it would see the same batches, and a control the same codes, as the run before it."""
    plan, _ = done
    runs = {step.name: step.run for step in plan.steps}
    saved = [newest(runs[name].product("checkpoints")).shared() for name in ("train", "control")]
    states = [each["algorithm"]["random"] for each in saved]
    assert not torch.equal(*states)
    seeds = {name: _drawn_with(plan, name) for name in CONTINUED}
    assert seeds["train"] == 0
    assert seeds["control"] == seeds["train-1"], "a fair comparison"
    assert len(set(seeds.values())) == 3, "and another in each round"


def test_what_continues_a_run_says_how_much_was_before_it(done):
    plan, _ = done
    cards = [read_card(step.run.product("generator")) for step in plan.steps if step.name.startswith("train")]
    first, second, third = (card.training for card in cards)
    assert "images_before" not in first
    assert second["images_before"] == first["images_seen"]
    assert third["images_before"] == first["images_seen"] + second["images_seen"]
    said = f"after {third['images_before']:,} and another {third['images_seen']:,} images of digits train"
    assert said in generator_text(cards[-1])


CONTINUED = ("train", "train-1", "train-2", "control")


def _drawn_with(plan, name):
    """The seed of a step's batches and codes."""
    step = next(step for step in plan.steps if step.name == name)
    folders = {key: each.folder for key, each in step.inputs.items()}
    context = Context(step.run, Catalog(step.run.folder), step.fingerprint, step.job.resources, folders)
    return training_seed(step.job, continued(context))


def _weights(run):
    tensors = safetensors.load(run.product("generator").read("weights.safetensors"))
    return {name: tensors[name] for name in sorted(tensors) if name.endswith("weight")}


def test_the_report_says_what_is_measured(done):
    plan, outcome = done
    runs = {step.name: step.run for step in plan.steps}
    stages = outcome.metrics["report.stages"]
    assert list(stages) == [plain_name(each) for each in STAGES]
    assert stages["before"]["pag"] == store_pag(Store.open(runs["invert"].product("store")), std=1.0).pag
    prior = load_fitted(runs["prior-2"].product("prior"))
    last = Store.open(runs["invert-2"].product("store"))
    assert stages["round 2"]["pag"] == outcome.metrics["report.pag_after"] == store_pag(last, prior=prior).pag
    measured = runs["pag-2"].outcome().metrics
    assert stages["round 2"]["pag"] == measured["pag"]
    assert stages["round 2"]["pag_held_out"] == measured["pag_held_out"]
    baseline = stages["round 1 + learned prior"]["pag_held_out"]
    assert baseline == measured["pag_baseline"] == runs["prior-2"].outcome().metrics["pag_held_out"]
    assert stages["round 2"]["pag_normal"] == store_pag(last, std=1.0).pag
    assert stages["control"]["prior"] == "normal"
    assert 1 <= stages["round 1"]["classifier_score"] <= 10
    drawn = Normal(4).sample(10_000, torch.Generator().manual_seed(0)).norm(dim=1).square().mean().sqrt()
    assert stages["before"]["prior_norm"] == pytest.approx(drawn.item(), rel=0.02)
    table = runs["report"].figures.read("table.md").decode()
    assert all(name in table for name in stages)
    assert runs["report"].figures.exists("induced.png")


def test_a_finished_pipeline_has_nothing_left_to_do(done):
    plan, outcome = done
    again = make_plan(plan.spec)
    assert {step.state for step in again.steps} == {"finished"}
    assert execute(again) == outcome


def test_rounds_end_when_the_metric_no_longer_falls(done):
    """As finished runs tell: what is watched is what they measured."""
    plan, _ = done
    values = [step.run.outcome().metrics["pag"] for step in plan.steps if step.name.startswith("pag")]
    rounds = make_plan(spec_like(plan, repeat_while_improving="pag.pag")).spec.rounds
    steps = {step.name: step for step in plan.steps}
    rose = [number for number, (a, b) in enumerate(pairwise(values), 1) if b >= a]
    expected = set(rounds.steps[1]) if rose[:1] == [1] else set()
    assert set(skipped(rounds, steps)) == expected
    always = replace(rounds, watched=("pag-1", "pag-1", "pag-2"))  # as if the first round had changed nothing
    assert set(skipped(always, steps)) == {"prior-2", "train-2", "invert-2", "pag-2"}
    assert skipped(replace(rounds, watched=()), steps) == set()


def spec_like(plan, **changes):
    place = Folder.at(plan.spec.results).local
    return spec(place, **changes)


def test_rounds_that_are_skipped_leave_the_others_to_the_report(tmp_path):
    """A metric that cannot fall: how many codes count."""
    classifier(Folder.at(tmp_path / "classifier"))
    plan = make_plan(spec(tmp_path / "results", repeat_while_improving="pag.pag_n"))
    outcome = execute(plan)
    assert list(outcome.metrics["report.stages"]) == [*map(plain_name, STAGES[:3]), "control"]
    assert outcome.metrics["report.rounds"] == 1
    again = make_plan(plan.spec)
    assert [step.name for step in again.steps if step.state == "skipped"] == [
        *("prior-2", "train-2", "invert-2", "pag-2")
    ]
    assert execute(again) == outcome
    report = again.steps[-1].run.name
    one = make_plan(spec(tmp_path / "results", rounds=1))
    assert one.steps[-1].run.name == report, "of just these rounds"
    all_rounds = make_plan(spec(tmp_path / "results"))
    assert all_rounds.run.name != again.run.name
    assert all_rounds.steps[-1].run.name != report
    assert list(execute(all_rounds).metrics["report.stages"]) == STAGES


def test_a_prior_is_looked_for_by_its_run_and_by_its_folder(done, tmp_path):
    plan, _ = done
    run = next(step.run for step in plan.steps if step.name == "prior-1")
    start = next(step.run for step in plan.steps if step.name == "train")
    for name in (run.folder.uri, run.product("prior").uri):
        made = planned(tmp_path, {"more": MORE | {"resume_from": start.folder.uri, "prior": name}})
        assert made.steps[0].inputs["prior"].folder.uri == run.product("prior").uri
    wider = GAN | {"model": {"latent_dim": 7, "base_channels": 4}, "prior": run.folder.uri}
    with pytest.raises(PriorError, match="codes have 4 components but the generator's have 7"):
        planned(tmp_path, {"more": wider})


def test_too_few_held_out_codes_are_refused_before_training(done, tmp_path):
    plan, _ = done
    store = next(step.run for step in plan.steps if step.name == "invert").folder.uri
    step = {"job": "train-prior", "store": store, "held_out": 0.0001, "training": PRIOR["training"]}
    with pytest.raises(StoreError, match=r"held_out=0\.0001 holds out 0 of 200 codes"):
        execute(planned(tmp_path, {"prior": step}))


def test_another_fitted_prior_takes_the_place_of_pgan():
    """As the shipped spec's header says."""
    path = Path(__file__).parents[2] / "jobs" / "induced-prior.yaml"
    changed = "repeat.prior={job: fit-prior, store: invert, kind: mixture, settings: {components: 10}}"
    steps = load(path, "small", [changed, "rounds=2"]).steps
    assert [steps[name].job for name in ("prior-1", "prior-2")] == ["fit-prior"] * 2
    assert steps["prior-2"].store == "invert-1"


def test_codes_that_never_left_zero_are_said_to_mean_nothing(done, tmp_path, caplog):
    plan, _ = done
    generator = next(step.run for step in plan.steps if step.name == "train").folder.uri
    still = {"solver": "adam", "lr": 1e-9, "init_codes": "small-normal", "steps": 2}
    execute(planned(tmp_path, {"stuck": INVERT | {"generator": generator, "inversion": still}}))
    assert "the codes are still near zero" in caplog.text
    caplog.clear()
    execute(planned(tmp_path, {"found": INVERT | {"generator": generator}}))
    assert not caplog.text
