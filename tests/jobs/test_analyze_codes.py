"""Examining: the job from generator and stores to pictures and table, on a linear generator of digits."""

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from declared import run_job
from faulty import planned
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import GeneratorError, StoreError
from preimage.jobs.analyze_codes.job import AnalyzeCodesJob
from preimage.jobs.analyze_codes.page import WITHOUT
from preimage.jobs.analyze_codes.report import AnalyzeCodesReport, PriorSamples, Separation
from preimage.jobs.analyze_codes.run import first_codes, rank, valid_codes
from preimage.jobs.base import Context, Result
from preimage.jobs.references import GeneratorRef, StoreRef, references
from preimage.latents.store import StoreWriter
from preimage.metrics.clusters import ClassRatios, class_ratios
from preimage.metrics.pag import store_pag
from preimage.models.config import DcganConfig
from preimage.models.generator_folder import write_generator
from preimage.pipelines.execute import execute
from preimage.pipelines.lifecycle import write_result
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.tracking.description import pictures
from stores import linear_generator, store_of, write_store

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
DIM, COUNT = 4, 80
TINY = {"generator": "g", "store": "s", "codes": 60, "samples": 50, "shown": 5, "against": 70}
LOST = 2
"""The row of the image whose search diverged."""


def job(**settings):
    return AnalyzeCodesJob.model_validate(TINY | settings)


def draw(seed):
    return torch.randn(COUNT, DIM, generator=torch.Generator().manual_seed(seed))


def labelled(store, folder, labels):
    """The same store with labels (n,)."""
    writer, codes = StoreWriter(folder, store.about, parts=1, count=store.count), store.head(store.count)
    writer.write(0, replace(codes, label=labels))
    return writer.finish()


@pytest.fixture
def rows(digits):
    return digits.read(0, COUNT)


@pytest.fixture
def codes(rows):
    """Codes whose first component says the class; that of the lost image is far from all."""
    z = draw(1)
    z[:, 0] += 3 * rows.labels
    z[LOST] = 1e4
    return z


@pytest.fixture
def card(folder):
    return write_generator(linear_generator(DIM, seed=0), folder / "generator", {"data": DATA})


@pytest.fixture
def store(folder, card, digits, rows, codes):
    plain = write_store(folder / "plain", card, digits, codes, rows.image_id, lost=(LOST,))
    return labelled(plain, folder / "store", rows.labels)


@pytest.fixture
def untrained(folder, digits, rows):
    other = write_generator(linear_generator(DIM, seed=5), folder / "other", {"data": DATA})
    plain = write_store(folder / "plain-untrained", other, digits, draw(2), rows.image_id)
    return labelled(plain, folder / "untrained", rows.labels)


@pytest.fixture
def context(folder, store, untrained, digits):
    there = Catalog(digits.folder.parent)
    inputs = {name: folder / name for name in ("generator", "store", "untrained")}
    return Context(RunFolder(folder / "run"), there, "", Resources(backend="local", gpu=False), inputs)


def test_a_job_leaves_figures_a_table_and_metrics(context, store, untrained):
    result = run_job(job(untrained="u"), context)
    found = result.metrics
    shown = [each.name for each in job(untrained="u").metrics() if each.headline]
    assert shown == ["untrained_scatter_ratio", "scatter_ratio", "untrained_pag", "pag"]
    assert set(shown) <= set(found)
    assert tuple(result.figures) == ("tsne.png", "disagreement.png", "spectrum.png")
    assert list(result.pages) == ["map.html"]
    for picture in result.figures.values():
        assert np.asarray(Image.open(io.BytesIO(picture)).convert("L")).std() > 1
    assert found["codes"] == found["untrained_codes"] == 60
    for kind in ("scatter_ratio", "centroid_ratio"):
        assert found[kind] > 2 * found[f"untrained_{kind}"]
    sixty = first_codes(store, 60)
    ratios = class_ratios(sixty.z, sixty.label)
    assert ratios
    assert (found["scatter_ratio_codes"], found["centroid_ratio_codes"]) == ratios
    assert found["pag"] == store_pag(store).pag
    assert found["untrained_pag"] == store_pag(untrained).pag
    assert found["normal_pag"] < found["pag"]
    assert found["farthest_distance"] > found["all_distance"] > found["nearest_distance"]
    assert result.table
    before = "untrained, BatchNorm initial"
    assert f"| {before} | 60 | scatter | {found['untrained_scatter_ratio']:.2f} | 0.1 | " in result.table
    assert f"| trained | 60 | centroids | {found['centroid_ratio']:.2f} | 1.9 | " in result.table
    assert run_job(job(untrained="u"), context) == result


def test_the_images_shown_are_those_of_the_farthest_and_the_nearest_samples(context, monkeypatch):
    shown = {}
    monkeypatch.setattr(
        "preimage.jobs.analyze_codes.run.disagreement_png", lambda found, to: shown.update(found) or b""
    )
    run_job(job(), context)
    far, near = shown.values()
    assert far.images.shape == near.images.shape == (5, 1, 16, 16)
    assert far.distances[0] == max(far.distances)
    assert near.distances[0] == min(near.distances)
    assert far.distances.min() >= near.distances.max()


def test_without_an_untrained_store_there_is_one_map(context):
    found = run_job(job(), context).metrics
    assert "scatter_ratio" in found
    assert not [name for name in found if name.startswith(("untrained", "settled"))]


def test_images_without_labels_are_drawn_and_said_to_have_no_ratio(folder, context, store):
    labelled(store, folder / "unlabelled", torch.full((COUNT,), -1, dtype=torch.int32))
    context.inputs["store"] = folder / "unlabelled"
    result = run_job(job(), context)
    absent = {each.name for each in job().metrics()} - set(result.metrics)
    kinds, places = ("scatter", "centroid"), ("", "_codes", "_chance")
    assert absent == {f"{kind}_ratio{place}" for kind in kinds for place in places}
    assert result.table
    assert "| trained | 60 | scatter | no classes | 1.9 | no classes | no classes |" in result.table


def test_codes_of_images_that_diverged_are_skipped(store, codes):
    kept = [i for i in range(COUNT) if i != LOST]
    assert torch.equal(first_codes(store, 60).z, codes[kept[:60]])
    assert torch.equal(torch.cat([each.z for each in valid_codes(store, 1000)]), codes[kept])


def test_the_farthest_come_first_and_the_nearest_first():
    samples, far = torch.arange(6.0)[:, None], torch.tensor([3.0, 9, 1, 7, 5, 2])
    found = rank(samples, far, 2)
    assert found["farthest"].codes.flatten().tolist() == [1, 3]
    assert found["nearest"].codes.flatten().tolist() == [2, 5]
    assert found["nearest"].distances.tolist() == [1, 2]
    assert sorted(found["all"].codes.flatten().tolist()) == [0, 1, 2, 3, 4, 5]
    assert (found["farthest"].log_likelihoods.diff() < 0).all()  # here the code of 3 is less likely


@pytest.mark.parametrize("count", [1, 29])
def test_too_few_codes_are_refused(folder, context, card, digits, rows, count):
    write_store(folder / "few", card, digits, draw(1)[:count], rows.image_id[:count])
    context.inputs["store"] = folder / "few"
    with pytest.raises(StoreError, match=f"holds {count} codes .* needs at least 30: invert more images"):
        run_job(job(), context)


def test_codes_that_do_not_belong_are_refused(folder, context, digits, rows):
    with pytest.raises(StoreError, match="stand for other images than digits train"):
        run_job(job(data=DATA | {"max_images": 100}), context)
    wide = write_generator(linear_generator(DIM + 1, seed=0), folder / "wide", {"data": DATA})
    z = torch.randn(COUNT, DIM + 1)
    write_store(folder / "other-size", wide, digits, z, rows.image_id)
    context.inputs["untrained"] = folder / "other-size"
    with pytest.raises(StoreError, match=r"codes of 5 components .* generator's have 4 .* like it"):
        run_job(job(untrained="u"), context)
    context.inputs["generator"] = folder / "wide"
    with pytest.raises(StoreError, match="codes of another generator: give the one"):
        run_job(job(), context)


def test_another_prior_is_refused_before_anything_starts():
    model = DcganConfig(latent_dim=4, prior="uniform", image_size=16, channels=1)
    with pytest.raises(GeneratorError, match=r"prior is uniform: give one trained with model.prior=normal"):
        job().check_generator(model)
    job().check_generator(model.model_copy(update={"prior": "normal"}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 30, "shown": 16}, "the 16 nearest of 30 samples overlap: shown must be at most 15"),
        ({"codes": 29}, "greater than or equal to 30"),
        ({"distance": "median"}, "'nearest' or 'mean'"),
    ],
)
def test_settings_that_contradict_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        job(**settings)


def test_without_settings_it_is_the_papers_experiment():
    whole = AnalyzeCodesJob.model_validate({"generator": "g", "store": "s"})
    assert (whole.codes, whole.samples, whole.shown) == (1024, 1000, 20)
    assert references(whole) == {"generator": "g", "store": "s"}
    assert [type(each) for each in references(whole).values()] == [GeneratorRef, StoreRef]
    assert references(job(untrained="u"))["untrained"] == "u"
    assert references(job(untrained="u"))["untrained"].product == "store"
    assert whole.cost(None) == {"codes in a map": 1024, "distances": 10_000_000}


def test_the_table_gives_the_least_the_mean_and_the_largest(store):
    chosen = PriorSamples(
        torch.zeros(3, DIM), torch.tensor([1.0, 2.0, 6.0]), torch.tensor([-4.0, -5.0, -6.0])
    )
    report = AnalyzeCodesReport(
        {"trained": Separation(ClassRatios(1.234, 2.0), ClassRatios(0.5, 1.0), ClassRatios(0.02, 0.14), 60)},
        {"trained": store_pag(store)},
        {"farthest": chosen},
        "mean",
    )
    assert "| trained | 60 | scatter | 1.23 | 1.9 | 0.50 | 0.02 |" in report.table()
    assert "| trained | 60 | centroids | 2.00 | 1.9 | 1.00 | 0.14 |" in report.table()
    assert "by their distance to all found codes, the root of the mean square" in report.table()
    assert "| farthest | 3 | 1.00, **3.00**, 6.00 | -6.00, **-5.00**, -4.00 |" in report.table()
    assert report.metrics()["farthest_distance"] == 3.0


def test_a_pipeline_compares_a_generator_with_itself_before_its_training(tmp_path):
    few = {"solver": "adam", "steps": 3, "init_codes": "small-normal"}
    model = {"latent_dim": DIM, "base_channels": 4}
    training = {
        "total_images": 240,
        "batch_size": 24,
        "log_every": 48,
        "sample_every": 240,
        "checkpoint_every": 240,
    }
    steps = {
        "untrained": {"job": "init-generator", "data": DATA, "model": model},
        "before": {"job": "invert", "generator": "untrained", "inversion": few},
        "train": {"job": "train-gan", "data": DATA, "model": model, "training": training},
        "after": {"job": "invert", "generator": "train", "inversion": few},
        "examine": {
            "job": "analyze-codes",
            "generator": "train",
            "store": "after",
            "untrained": "before",
            "codes": 40,
        },
    }
    plan = planned(tmp_path, steps)
    outcome = execute(plan)
    assert outcome.metrics["examine.codes"] == outcome.metrics["examine.untrained_codes"] == 40
    assert outcome.products["train.generator"] == plan.steps[2].run.product("generator").uri
    stores = [store_of(plan.steps[i].run) for i in (1, 3)]
    assert [outcome.metrics[f"examine.{name}pag"] for name in ("untrained_", "")] == [
        store_pag(each).pag for each in stores
    ]


def test_its_page_is_kept_beside_the_figures_and_is_no_picture(folder):
    run = RunFolder(folder / "run")
    written = write_result(run, Result({}, {}, "table", {"map.html": b"<!doctype html>"}))
    assert run.figures.read("map.html") == b"<!doctype html>"
    assert list(written) == ["table.md", "map.html"]
    outcome = Outcome("analyze-codes", "a", "run", "f", {}, run.folder.uri, figures=written)
    assert pictures(outcome) == []


def test_without_bokeh_there_is_no_page_which_the_table_says(context, store, monkeypatch):
    for name in [each for each in sys.modules if each.startswith("preimage.browsing.static")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [each for each in sys.modules if each.partition(".")[0] == "bokeh"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "bokeh", None)
    result = run_job(job(), context)
    assert not result.pages
    assert WITHOUT in result.table
