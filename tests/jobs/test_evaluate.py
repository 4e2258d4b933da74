"""The evaluate job: from generators and a classifier to table and figures, on digits and tiny networks."""

import math

import psutil
import pytest
import torch

from declared import run_job
from evaluate_jobs import DATA, SETTINGS, TEN, asked, context, count_scored, start, step
from faulty import kill, meanwhile, planned, processes_below
from preimage.data.config import DataConfig
from preimage.data.pixels import to_uint8
from preimage.data.preparing.prepare import prepare
from preimage.errors import DataError
from preimage.jobs.base import Context
from preimage.jobs.evaluate.job import EvaluateJob
from preimage.jobs.evaluate.report import TEST
from preimage.jobs.published import TRAINING
from preimage.latents.statistics import Moments
from preimage.metrics.scores import frechet_distance, inception_score
from preimage.models.cards import read_card, read_classifier_card
from preimage.models.classifier import load_classifier, save_classifier
from preimage.models.generator_folder import load_generator
from preimage.pipelines.execute import execute
from preimage.random_streams import Stream
from preimage.tracking.lineage import fingerprints

FIGURES = ("samples.png", "classes.png", "duplicates.png", "pairs.png")


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    """Figures take most of the time, so only the tests that ask for them have any."""
    if "figures" not in request.fixturenames:
        monkeypatch.setattr("preimage.jobs.evaluate.run.draw", lambda *everything: {})


@pytest.fixture
def figures():
    pass


def pieces(place):
    """What each piece's file holds, by its path."""
    root = place / "run" / "pieces"
    return {
        f"{one}/{each}/{name}": (root / one / each).read(name)
        for one in root.names()
        for each in (root / one).names()
        for name in (root / one / each).names()
    }


def samples(place, name, counts=(50, 50, 20), seed=7):
    """The samples that a job scores, by hand."""
    generator, _ = load_generator(place / name)
    randoms = [Stream.EVALUATED_CODES.generator(seed, i) for i in range(len(counts))]
    codes = [
        torch.randn(n, generator.config.latent_dim, generator=g) for n, g in zip(counts, randoms, strict=True)
    ]
    with torch.no_grad():
        return to_uint8(generator(torch.cat(codes)))


def scored(place, pixels):
    network, _ = load_classifier(place / "classifier")
    with torch.no_grad():
        features = network.features(pixels.float() / 127.5 - 1)
        return network.logits(features), Moments.empty(features.shape[1]).update(features)


def test_a_job_leaves_figures_and_the_metrics_that_the_functions_give(place, digits, figures):
    result = start(place, digits)
    logits, moments = scored(place, samples(place, "linear"))
    _, real = scored(place, digits.read(0, 120).pixels)
    expected, found = inception_score(logits, 3), result.metrics["runs"]["two"]["0"]
    assert expected.mean > 1.01
    assert found["classifier_score"] == pytest.approx(expected.mean, rel=1e-5)
    assert found["classifier_score_std"] == pytest.approx(expected.std, rel=1e-3)
    distance = frechet_distance(moments, real)
    assert found["classifier_frechet_distance"] == pytest.approx(distance, rel=1e-4)
    assert found["effective_classes"] == pytest.approx(math.exp(found["class_entropy"]))
    assert (found["images"], found["images_per_split"]) == (120, 40)
    assert result.metrics["scorer"] == {
        "score": "classifier_score",
        "accuracy": 0.75,
        "held_out": "97 held-out digits",
    }
    assert tuple(result.figures) == FIGURES
    assert all(picture[:4] == b"\x89PNG" for picture in result.figures.values())
    assert result.table
    assert result.table.startswith("Samples scored beside 120 images")


def test_the_best_name_and_the_splits_are_shown_first(place):
    job = EvaluateJob.model_validate(asked(place))
    shown = [each.name for each in job.metrics() if each.headline]
    assert shown == ["ordering", "splits", "images_per_split"]


def test_several_generators_of_a_name_are_a_mean_and_a_deviation(place, digits):
    metrics = start(place, digits).metrics
    one, other = (metrics["runs"]["two"][i] for i in "01")
    both = metrics["table"]["two"]
    for name in ("classifier_score", "near_duplicates", "effective_classes"):
        assert both[name] == pytest.approx((one[name] + other[name]) / 2)
        assert both[f"{name}_std"] == pytest.approx(abs(one[name] - other[name]) / math.sqrt(2))
    assert both["generators"] == 2
    assert metrics["ordering"][0] == max(
        metrics["table"], key=lambda n: metrics["table"][n]["classifier_score"]
    )


def test_a_generator_that_makes_one_image_is_seen_to(place, digits):
    metrics = start(place, digits).metrics
    flat = metrics["runs"]["two"]["1"]
    assert flat["near_duplicates"] == 1
    assert flat["effective_classes"] == pytest.approx(1)
    assert flat["classifier_score"] == pytest.approx(1, abs=1e-3)
    assert metrics["real"][TRAINING]["near_duplicates"] <= 0.01


def test_the_table_says_by_what_and_among_how_many(place, digits):
    text = start(place, digits).table
    assert text
    assert "a classifier of 10 classes that tells 75.0% of 97 held-out digits: not an Inception Score" in text
    assert "| DCGAN | 3 x 40 |" in text
    assert "| two, 2 runs | 3 x 40 |" in text
    assert "Inception Score and" not in text
    assert "FID" not in text
    assert "in the paper" not in text
    lines = text.splitlines()
    assert lines[0].startswith("Samples scored beside 120 images of digits train, 1 x 16 x 16")
    head = next(i for i, line in enumerate(lines) if line.startswith("| fraction of images | DCGAN | two |"))
    rows = [line.strip("| ").split(" | ") for line in lines[head + 2 : head + 12]]
    assert [row[0] for row in rows] == TEN
    for column in zip(*(row[1:] for row in rows), strict=True):
        assert sum(float(share.rstrip("%")) for share in column) == pytest.approx(100, abs=0.5)


def test_the_ceiling_is_of_images_that_were_not_trained_on_in_as_large_splits(place, digits):
    """Of digits, which have no test split, those beyond the training's limit."""
    metrics = start(place, digits, images=60, splits=2).metrics
    everything = prepare(DataConfig(**DATA | {"max_images": None}), place / "all", backend="local")
    logits, moments = scored(place, everything.read(200, 260).pixels)
    found = metrics["real"][TEST]
    assert found["classifier_score"] == pytest.approx(inception_score(logits, 2).mean, rel=1e-5)
    _, real = scored(place, digits.read(0, 60).pixels)
    assert found["classifier_frechet_distance"] == pytest.approx(frechet_distance(moments, real), rel=1e-4)
    assert "classifier_frechet_distance" not in metrics["real"][TRAINING]


def test_fewer_real_images_are_cut_into_fewer_splits_of_as_many(place, digits):
    fifty = {"test": DATA | {"max_images": 250}}
    real = start(place, digits, **fifty).metrics["real"]
    assert [real[name]["images_per_split"] for name in (TEST, TRAINING)] == [50, 40]
    assert real[TEST]["images"] == 50


def test_without_held_out_images_the_table_says_so(place, digits):
    whole = DATA | {"max_images": None}
    result = start(place, digits, data=whole)
    assert set(result.metrics["real"]) == {TRAINING}
    assert result.table
    assert (
        "There is no line of test images, and so no ceiling, because all images of digits train are"
        in result.table
    )
    with pytest.raises(DataError, match="all images of digits train are training images: name others with"):
        start(place, digits, data=whole, test=DATA)


def test_the_same_images_whatever_is_beside_them_and_others_for_another_seed(place, digits):
    start(place, digits)
    first = pieces(place)
    (place / "run").delete()
    start(place, digits, generators={"x": (place / "gan").uri})
    again = pieces(place)
    assert again
    assert again.items() <= first.items()
    (place / "run").delete()
    start(place, digits, generators={"x": (place / "gan").uri}, seed=8)
    other = pieces(place)
    assert {name for name in other if other[name] != first[name]} == {n for n in other if "samples" in n}


def test_a_job_that_stopped_does_only_what_is_missing_and_what_was_cut_short(place, digits, monkeypatch):
    seen = count_scored(monkeypatch)
    whole, kept = start(place, digits), pieces(place)
    assert len(seen) == len(kept) == 5 * 3  # three generators, training and test images
    root = place / "run" / "pieces"
    paths = sorted(kept)
    for path in (paths[1], paths[4]):
        root.write(path, kept[path][:-7])
    root.remove(paths[8])
    seen.clear()
    again = start(place, digits)
    assert len(seen) == 3
    assert pieces(place) == kept
    assert again == whole


def test_one_generator_under_two_names_is_scored_once(place, digits, monkeypatch):
    seen = count_scored(monkeypatch)
    uri = (place / "gan").uri
    table = start(place, digits, generators={"a": uri, "b": uri}).metrics["table"]
    assert table["a"] == table["b"]
    assert len(seen) == 3 * 3


def test_another_networks_pieces_are_not_taken(place, digits, monkeypatch):
    start(place, digits)
    seen = count_scored(monkeypatch)
    network, card = load_classifier(place / "classifier")
    with torch.no_grad():
        network.logits.weight.mul_(-1)
    save_classifier(network, place / "classifier", card.classes, 0.5, card.held_out, {})
    start(place, digits)
    assert len(seen) == 15


def test_progress_is_in_images(place, digits):
    told = []
    job = EvaluateJob.model_validate(asked(place, generators={"x": (place / "gan").uri}))
    here = context(place, digits, job)
    shown = Context(
        here.run, here.catalog, "", SETTINGS, here.inputs,
        lambda task: lambda done, total: told.append((task, done, total)),
    )  # fmt: skip
    run_job(job, shown)
    counts = [done for task, done, total in told if task == "scoring images" and total == 360]
    assert counts == [0, 50, 100, 120, 170, 220, 240, 290, 340, 360]


def test_a_pipeline_runs_it_and_its_fingerprint_knows_names_and_settings(place, tmp_path):
    plan = planned(tmp_path / "results", {"score": step(place)})
    outcome = execute(plan)
    assert set(outcome.metrics["score.table"]) == {"DCGAN", "two"}
    known = fingerprints(plan.steps[0].run, plan.steps[0].run.outcome())
    cards = [read_card(place / name).fingerprint for name in ("gan", "linear", "flat")]
    assert known["generators"].split(", ") == cards
    assert known["classifier"] == read_classifier_card(place / "classifier").fingerprint
    assert "dataset" in known
    assert planned(tmp_path / "results", {"score": step(place)}).steps[0].state == "finished"
    uri = (place / "gan").uri
    for change in ({"generators": {"other": uri}}, {"splits": 2}, {"test": DATA | {"max_images": 300}}):
        assert planned(tmp_path / "results", {"score": step(place, **change)}).steps[0].state == "new"
    assert plan.steps[0].job.cost(None) == {"samples made and scored": 360}


@pytest.mark.ray
def test_on_ray_the_same_pieces_and_a_killed_worker_changes_nothing(ray, place, digits):
    many = {"images": 600, "chunk": 10}
    here = start(place, digits, **many)
    expected = pieces(place)
    (place / "run").delete()
    job = EvaluateJob.model_validate(asked(place, **many))

    def kill_worker() -> bool:
        if not (place / "run" / "pieces").exists():
            return False
        workers = processes_below(psutil.Process(), "MapWorker")
        if workers:
            kill(workers[0].pid)
        return bool(workers)

    with meanwhile(kill_worker) as killed:
        again = run_job(job, context(place, digits, job, backend="ray", workers=2))
    assert killed, "no worker was found to kill"
    assert pieces(place) == expected
    assert again == here
