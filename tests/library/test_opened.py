"""Earlier runs, opened by their names."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

import preimage
from preimage.errors import PreimageError, SpecError
from shell import PIPELINE

SHORT = {
    "train.training.total_images": 48,
    "codes.inversion": {"solver": "adam", "steps": 2, "init_codes": "prior"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def outcome(results):
    """Of a pipeline: train, codes, prior."""
    path = results.parent / "pipeline.yaml"
    path.write_text(PIPELINE)
    return preimage.run(path, SHORT, results=str(results))


@pytest.fixture
def run(outcome, results):
    return preimage.open(outcome.run, str(results))


def test_a_pipelines_products_are_here_if_only_one_step_made_them(run, outcome):
    assert run.outcome == outcome
    assert not run.generator.training
    assert run.generator(torch.zeros(2, 4)).shape == (2, 1, 16, 16)
    assert (run.prior.name, run.prior.latent_dim) == ("normal", 4)
    assert run.store.fingerprint == preimage.Store.open(outcome.products["codes.store"]).fingerprint
    assert run.spec["steps"]["train"]["training"]["total_images"] == 48
    assert list(run.steps) == ["train", "codes", "prior"]
    assert run.steps["codes"].store.count == 200
    figures = run.figures
    assert set(figures) == set(outcome.figures)
    assert figures["codes.errors"] == Path(outcome.figures["codes.errors"]).read_bytes()
    assert Image.open(io.BytesIO(figures["prior.spectrum"]._repr_png_())).format == "PNG"


def test_its_images_are_those_of_its_codes(run, outcome, results):
    assert preimage.open(outcome, str(results)).name == run.name
    images, codes = run.images(20), run.store.head(200)
    assert torch.equal(images.labels, codes.label[:20])
    assert torch.equal(run.store.codes_of(images.ids[[3, 0]]), codes.z[[3, 0]])
    assert len(run.steps["train"].images()) == 200
    assert all(not each.requires_grad for each in run.generator.parameters())
    with pytest.raises(PreimageError, match="has no table"):
        _ = run.table


def test_a_plan_prints_what_would_happen(run):
    plan = preimage.plan(run.spec)
    assert repr(plan).startswith("<plan of ")
    lines = str(plan).splitlines()
    assert {"train (train-gan): ", "codes (invert): "} < {line[: line.find(": ") + 2] for line in lines}
    assert lines[-1].startswith("runs are recorded in: ")


def test_a_studys_trials_and_their_table(run, results):
    trial = run.spec["steps"]["codes"] | {"generator": run.steps["train"].name}
    study = {
        "trial": trial,
        "space": {"inversion.lr": {"choice": [0.1, 0.2]}},
        "objectives": {"reconstruction_error": "minimize"},
        "sampler": {"name": "grid"},
        "tracking": {"uri": "none"},
    }
    made = preimage.open(preimage.run(study, results=str(results)), str(results))
    assert sorted(each.params["inversion.lr"] for each in made.trials) == [0.1, 0.2]
    assert "| rank | trial | lr |" in made.table


def test_what_a_run_does_not_have_is_said_with_what_it_has(run):
    with pytest.raises(PreimageError, match=r"has no classifier; it has train.generator, codes.store$"):
        run.product("classifier")
    with pytest.raises(PreimageError, match=r"has no generator; it has nothing for other jobs"):
        _ = run.steps["prior"].generator


def test_of_several_one_is_taken_by_its_step(run, results):
    body = run.spec["steps"]["train"]
    twice = {"steps": {"one": body, "two": body | {"seed": 1}}, "tracking": {"uri": "none"}}
    made = preimage.run(twice, results=str(results))
    opened = preimage.open(made.run, str(results))
    message = r"has 2 generators: take one of .steps\['one'\].generator, .steps\['two'\].generator"
    with pytest.raises(PreimageError, match=message):
        _ = opened.generator
    assert opened.steps["two"].generator(torch.zeros(1, 4)).shape == (1, 1, 16, 16)


def test_a_run_is_found_by_its_name_or_folder_also_where_it_was_moved_to(outcome, results, tmp_path):
    assert preimage.open(outcome.folder).name == outcome.run
    with pytest.raises(SpecError, match="'nothing' is not a run under"):
        preimage.open("nothing", str(results))
    moved = results.rename(results.with_name("moved"))
    try:
        run = preimage.open(outcome.run, str(moved))
        assert run.store.count == 200
        assert len(run.figures) == len(outcome.figures)
        assert run.generator is run.generator
    finally:
        moved.rename(results)


def test_an_unfinished_run_says_so(run, outcome, results, tmp_path):
    unfinished = tmp_path / "runs" / "train-gan-1"
    unfinished.mkdir(parents=True)
    (unfinished / "run.json").write_bytes((Path(run.steps["train"].outcome.folder) / "run.json").read_bytes())
    opened = preimage.open("train-gan-1", str(tmp_path))
    with pytest.raises(PreimageError, match="train-gan-1 is not finished: run it again"):
        _ = opened.generator
    assert repr(opened) == "<run train-gan-1, not finished>"
    assert "train-gan-1</b> (train-gan): not finished" in opened._repr_html_()


def test_in_a_notebook_a_run_shows_its_metrics_and_figures(run, outcome):
    html = run._repr_html_()
    assert f"<b>{outcome.run}</b> (pipeline): finished" in html
    assert f"<td>prior.pag</td><td>{outcome.metrics['prior.pag']:.4g}</td>" in html
    assert html.count("data:image/png;base64,") == len(run.figures) > 2


def test_images_are_inverted_through_a_runs_generator(run, results):
    images = torch.zeros(2, 1, 16, 16).uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    found = preimage.invert(run.name, images, results=str(results), solver="adam", steps=2, check_range=False)
    assert found.prior.name == "normal"
    store = found.save(results.parent / "codes")
    assert store.about.generator.fingerprint == run.store.about.generator.fingerprint
    assert store.about.generator.path == run.product("generator").uri
