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
from preimage.errors import StoreError
from preimage.jobs.base import Context
from preimage.jobs.induced_prior.job import InducedPriorJob
from preimage.jobs.references import references
from preimage.latents.priors import Gaussian
from preimage.metrics.pag import store_pag
from preimage.models.generator_folder import read_card, write_generator
from preimage.models.linear import LinearGenerator
from preimage.runs.run_folder import RunFolder
from stores import linear_generator, write_store

LEARNED = Gaussian(torch.tensor([1.0, 0.0, -1.0, 0.5]), torch.eye(4) / 2)
TWO = {"generators": ["g", "h"], "stores": ["s", "t"]}
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
    return found


@pytest.fixture
def context(place, digits, stores):
    inputs = {
        "generators.0": place / "gan",
        "generators.1": place / "round",
        "control": place / "control",
        "classifier": place / "classifier",
    }
    catalog = Catalog(digits.folder.at(digits.folder.uri.rsplit("/", 1)[0]))
    inputs |= {key: store.folder for key, store in stores.items()}
    return Context(RunFolder(place / "run"), catalog, "", Resources(backend="local", gpu=False), inputs)


def test_all_stages_are_measured_against_their_own_prior_and_the_normal_one(context, stores):
    result = run_job(job(**CONTROL, classifier="k"), context)
    metrics = result.metrics
    stages = metrics["stages"]
    assert list(stages) == ["before", "round 1", "control"]
    assert metrics["rounds"] == 1
    own = store_pag(stores["stores.1"], prior=LEARNED).pag
    assert metrics["pag_after"] == stages["round 1"]["pag"] == own
    normal = store_pag(stores["stores.1"], std=1.0)
    assert metrics["pag_normal_after"] == stages["round 1"]["pag_normal"] == normal.pag
    assert stages["round 1"]["pag_normal_raw"] == normal.pag_raw
    assert metrics["pag_before"] == metrics["pag_normal_before"] == store_pag(stores["stores.0"], std=1.0).pag
    assert [each["prior"] for each in stages.values()] == ["normal", "gaussian", "normal"]
    assert {each["pag_n"] for each in stages.values()} == {59}
    assert metrics["score_after"] == stages["round 1"]["classifier_score"]
    assert 1 <= metrics["score_before"] <= 10
    assert stages["round 1"]["prior_norm"] == pytest.approx((2.25 + 1) ** 0.5, rel=0.02), "mean and variance"


def test_the_table_has_a_column_for_each_stage_and_a_line_for_each_score(context):
    result = run_job(job(**CONTROL, classifier="k"), context)
    lines = result.table.splitlines()
    assert "| before | round 1 | control |" in lines[2]
    first = [line.split(" | ")[0].strip("| ") for line in lines]
    assert {"classifier score", "classifier frechet distance", "class entropy"} <= set(first)
    assert "classifier score" not in run_job(job(), context).table


def test_a_figure_is_drawn(context):
    result = run_job(job(classifier="k"), context)
    assert list(result.figures) == ["induced.png"]
    assert np.asarray(Image.open(io.BytesIO(result.figures["induced.png"])).convert("L")).std() > 5


@pytest.mark.parametrize("settings", [{}, CONTROL, {"generators": ["g"], "stores": ["s"]}])
def test_every_metric_is_declared_without_a_classifier_too(context, settings):
    metrics = run_job(job(**settings), context).metrics
    assert "score_before" not in metrics
    if "generators" in settings:
        assert metrics["rounds"] == 0
        assert metrics["pag_before"] == metrics["pag_after"]


def test_the_first_metrics_are_those_before_and_after():
    def shown(**settings):
        return [each.name for each in job(**settings).metrics() if each.headline]

    pag = ["pag_before", "pag_after", "pag_normal_before", "pag_normal_after"]
    assert shown() == pag
    assert shown(classifier="k") == [*pag, "score_before", "score_after"]


def test_codes_of_another_generator_are_refused(context, place):
    context.inputs["stores.1"] = place / "store-gan"
    with pytest.raises(StoreError, match="holds codes of another generator"):
        run_job(job(), context)


def test_every_product_is_named_by_its_key():
    found = references(job(**CONTROL, classifier="k"))
    assert found == {
        "generators.0": "g",
        "generators.1": "h",
        "stores.0": "s",
        "stores.1": "t",
        "control": "c",
        "control_store": "u",
        "classifier": "k",
    }
    assert [each.product for each in found.values()] == [
        *("generator", "generator", "store", "store", "generator", "store", "classifier")
    ]


def test_generators_without_their_codes_are_refused():
    with pytest.raises(ValidationError, match="2 generators and 1 stores: give the codes of each"):
        job(stores=["s"])
    with pytest.raises(ValidationError, match="control and control_store go together"):
        job(control="c")
    for wrong in ({"generators": [], "stores": []}, {"images": 63}):
        with pytest.raises(ValidationError):
            job(**wrong)


def test_costs():
    assert job().cost(None) == {"samples made": 2 * 64}
    assert job(**CONTROL).cost(None) == {"samples made": 3 * 64}
    assert job(**CONTROL, classifier="k", images=1000).cost(None) == {"samples made": 3 * 1000}
