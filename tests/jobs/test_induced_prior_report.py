"""What an induced-prior job measures and reports, of two generators and a control that are made by hand."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from declared import run_job
from evaluate_jobs import DATA
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import PriorError, SpecError, StoreError
from preimage.jobs.base import Context
from preimage.jobs.induced_prior.job import InducedPriorJob
from preimage.jobs.references import references
from preimage.latents.held_out import Split
from preimage.latents.priors import Gaussian
from preimage.metrics.pag import expected_pag, store_pag
from preimage.metrics.pag_of_fit import held_out_pag
from preimage.models.cards import read_card
from preimage.models.generator_folder import write_generator
from preimage.models.linear import LinearGenerator
from preimage.models.prior_folder import save_prior
from preimage.runs.run_folder import RunFolder
from stores import linear_generator, write_store

LEARNED = Gaussian(torch.tensor([1.0, 0.0, -1.0, 0.5]), torch.eye(4) / 2)
TWO = {"generators": ["g", "h"], "stores": ["s", "t"], "priors": ["p"]}
ONE = {"generators": ["g"], "stores": ["s"], "priors": []}
STAGES = ["before", "before + learned prior", "round 1", "control"]
CONTROL = {"control": "c", "control_store": "u"}


def job(**settings):
    return InducedPriorJob.model_validate(TWO | {"images": 64} | settings)


def fitted_generator():
    """One whose prior was fitted to codes."""
    normal = linear_generator(4, seed=1)
    fitted = LinearGenerator(normal.config.model_copy(update={"prior": "fitted"}))
    fitted.load_state_dict(normal.state_dict())
    return fitted.eval()


@pytest.fixture
def stores(place, digits):
    """Codes of the two generators and of the control, by the keys of a job; one search diverged."""
    write_generator(fitted_generator(), place / "round", {"data": DATA}, LEARNED)
    write_generator(linear_generator(4, seed=2), place / "control", {"data": DATA})
    found = {}
    for seed, (key, name) in enumerate(
        {"stores.0": "gan", "stores.1": "round", "control_store": "control"}.items()
    ):
        z = (1 + seed) * torch.randn(60, 4, generator=torch.Generator().manual_seed(seed))
        card = read_card(place / name)
        found[key] = write_store(place / f"store-{name}", card, digits, z, torch.arange(60), lost=(seed,))
    about = {"store": found["stores.0"].fingerprint, "held_out": 0.3}
    save_prior(LEARNED, place / "prior", about)
    return found


@pytest.fixture
def context(place, digits, stores):
    inputs = {
        "generators.0": place / "gan",
        "generators.1": place / "round",
        "control": place / "control",
        "classifier": place / "classifier",
        "priors.0": place / "prior",
    }
    catalog = Catalog(digits.folder.at(digits.folder.uri.rsplit("/", 1)[0]))
    inputs |= {key: store.folder for key, store in stores.items()}
    return Context(RunFolder(place / "run"), catalog, "", Resources(backend="local", gpu=False), inputs)


def test_all_stages_are_measured_against_their_own_prior_and_the_normal_one(context, stores):
    result = run_job(job(**CONTROL, classifier="k"), context)
    metrics = result.metrics
    stages = metrics["stages"]
    assert list(stages) == STAGES
    assert metrics["rounds"] == 1
    own = store_pag(stores["stores.1"], prior=LEARNED).pag
    assert metrics["pag_after"] == stages["round 1"]["pag"] == own
    normal = store_pag(stores["stores.1"], std=1.0)
    assert metrics["pag_normal_after"] == stages["round 1"]["pag_normal"] == normal.pag
    assert stages["round 1"]["pag_normal_raw"] == normal.pag_raw
    assert metrics["pag_before"] == metrics["pag_normal_before"] == store_pag(stores["stores.0"], std=1.0).pag
    assert [each["prior"] for each in stages.values()] == ["normal", "gaussian", "gaussian", "normal"]
    assert {each["pag_n"] for each in stages.values()} == {59}
    assert metrics["score_after"] == stages["round 1"]["classifier_score"]
    assert 1 <= metrics["score_before"] <= 10
    assert stages["round 1"]["prior_norm"] == pytest.approx((2.25 + 1) ** 0.5, rel=0.02), "mean and variance"


def test_the_table_has_a_column_for_each_stage_and_a_line_for_each_score(context):
    result = run_job(job(**CONTROL, classifier="k"), context)
    lines = result.table.splitlines()
    assert f"| {' | '.join(STAGES)} |" in lines[2]
    first = [line.split(" | ")[0].strip("| ") for line in lines]
    assert {"classifier score", "classifier frechet distance", "class entropy"} <= set(first)
    assert "classifier score" not in run_job(job(), context).table


def test_a_figure_is_drawn(context):
    result = run_job(job(classifier="k"), context)
    assert list(result.figures) == ["induced.png"]
    assert np.asarray(Image.open(io.BytesIO(result.figures["induced.png"])).convert("L")).std() > 5


@pytest.mark.parametrize("settings", [{}, CONTROL, ONE])
def test_every_metric_is_declared_without_a_classifier_too(context, settings):
    metrics = run_job(job(**settings), context).metrics
    assert "score_before" not in metrics
    if "generators" in settings:
        assert metrics["rounds"] == 0
        assert metrics["pag_before"] == metrics["pag_after"]


def test_the_first_metrics_are_those_before_and_after():
    def shown(**settings):
        return [each.name for each in job(**settings).metrics() if each.headline]

    def ends(metric):
        return [f"{metric}_{end}" for end in ("before", "learned_prior", "after")]

    pag = [*ends("pag"), *ends("pag_held_out"), *ends("pag_normal")]
    assert shown() == pag
    assert shown(classifier="k") == [*pag, *ends("score")]


def test_codes_of_another_generator_are_refused(context, place):
    context.inputs["stores.1"] = place / "store-gan"
    with pytest.raises(StoreError, match="holds codes of another generator"):
        run_job(job(), context)


def test_codes_of_other_images_are_refused(context, place, digits, stores):
    fewer = torch.randn(50, 4, generator=torch.Generator().manual_seed(3))
    card = read_card(place / "round")
    context.inputs["stores.1"] = write_store(place / "fewer", card, digits, fewer, torch.arange(50)).folder
    with pytest.raises(StoreError, match="holds codes of other images than"):
        run_job(job(), context)


def test_a_prior_of_another_round_is_refused(context, place, stores):
    about = {"store": stores["stores.1"].fingerprint}
    save_prior(LEARNED, place / "later", about)
    context.inputs["priors.0"] = place / "later"
    with pytest.raises(PriorError, match="was not fitted to the codes before round 1"):
        run_job(job(), context)
    save_prior(
        Gaussian(LEARNED.mean, torch.eye(4)), place / "other", {"store": stores["stores.0"].fingerprint}
    )
    context.inputs["priors.0"] = place / "other"
    with pytest.raises(PriorError, match="the generator of round 1, was trained with another prior"):
        run_job(job(), context)


def test_the_old_generator_is_shown_with_the_learned_prior(context, stores, place):
    """The decisive control: its own codes and images, but codes of the prior; the fair PAG beside each."""
    result = run_job(job(**CONTROL, classifier="k"), context)
    stages = result.metrics["stages"]
    before, learned, after = (stages[each] for each in STAGES[:3])
    assert learned["prior"] == "gaussian"
    for same in ("pag_normal", "code_norm", "reconstruction_error"):
        assert learned[same] == before[same]
    assert learned["prior_norm"] == after["prior_norm"] != before["prior_norm"]
    assert learned["classifier_score"] not in (before["classifier_score"], after["classifier_score"])
    assert result.metrics["score_learned_prior"] == learned["classifier_score"]
    split = Split(stores["stores.0"], 0.3)
    count = sum(map(len, split.held_out()))
    assert learned["pag"] == store_pag(stores["stores.0"], prior=LEARNED).pag
    for stage, given in ((before, {"std": 1.0}), (learned, {"prior": LEARNED})):
        assert stage["pag_held_out"] == held_out_pag(split, **given).pag
        assert stage["pag_held_out_n"] == count
    assert after["pag_held_out"] == held_out_pag(Split(stores["stores.1"], 0.3), prior=LEARNED).pag
    assert result.metrics["pag_by_chance"] == expected_pag(count, 4)
    said = [f"{each['pag_held_out']:.3f}" for each in (before, learned, after)]
    sentence = (
        f"In round 1 it goes from {said[0]} to {said[1]} by exchanging the prior alone, and to {said[2]}"
    )
    assert sentence in result.table


def test_without_held_out_codes_the_fair_pag_is_missing(context, place, stores):
    save_prior(LEARNED, place / "prior", {"store": stores["stores.0"].fingerprint, "held_out": 0})
    result = run_job(job(), context)
    assert result.metrics["pag_held_out_learned_prior"] is result.metrics["pag_by_chance"] is None
    assert "| PAG, held-out images | - | - | - |" in result.table


def test_every_product_is_named_by_its_key():
    found = references(job(**CONTROL, classifier="k"))
    assert found == {
        "generators.0": "g",
        "generators.1": "h",
        "stores.0": "s",
        "stores.1": "t",
        "priors.0": "p",
        "control": "c",
        "control_store": "u",
        "classifier": "k",
    }
    assert [each.product for each in found.values()] == [
        *("generator", "generator", "store", "store", "prior", "generator", "store", "classifier")
    ]


def test_generators_without_their_codes_are_refused():
    with pytest.raises(ValidationError, match="2 generators and 1 stores: give the codes of each"):
        job(stores=["s"])
    with pytest.raises(ValidationError, match="control and control_store go together"):
        job(control="c")
    for wrong in ({"generators": [], "stores": []}, {"images": 63}):
        with pytest.raises(ValidationError):
            job(**wrong)


def test_another_number_of_priors_than_of_rounds_is_refused(digits):
    with pytest.raises(SpecError, match="the prior of each of 1 rounds, but names 2"):
        job(priors=["p", "q"]).check(Catalog(digits.folder))


def test_costs():
    assert job().cost(None) == {"samples made": 3 * 64}
    assert job(**CONTROL).cost(None) == {"samples made": 4 * 64}
    assert job(**CONTROL, classifier="k", images=1000).cost(None) == {"samples made": 4 * 1000}
