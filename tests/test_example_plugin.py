"""The package in examples/plugin, which docs/adding-a-method.md walks through, installed by pip."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
import torch

import example_plugin
from code_stores import store_of
from declared import run_job
from preimage import plugins
from preimage.api import plan, run
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.errors import PluginError, SpecError
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.jobs.base import Context
from preimage.jobs.fit_prior.job import FitPriorJob
from preimage.models.prior_folder import load_fitted
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from small_nets import Expanding, Linear, least_squares, seeded

SPEC = example_plugin.EXAMPLE / "specs" / "discs.yaml"
MINE = {example_plugin.REQUIREMENT: "0.1"}


def silent(done: int, total: int) -> None:
    """Progress that nobody sees."""


QUIET = {"resources.backend": "local", "resources.gpu": False, "tracking.uri": "none"}
SHORTER = {
    "train.training.total_images": 320,
    "invert.inversion.steps": 5,
    "pgan.training.total_images": 640,
    "flow.settings.steps": 50,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return example_plugin.install(tmp_path_factory.mktemp("example"))


@pytest.fixture
def example(place, monkeypatch):
    """Installed for this process."""
    monkeypatch.syspath_prepend(str(place))
    plugins.forget()
    yield place
    monkeypatch.undo()
    for name in [each for each in sys.modules if each.partition(".")[0] == "preimage_example"]:
        del sys.modules[name]
    plugins.forget()


def test_its_solver_finds_the_least_squares_in_a_few_steps(example):
    """Where gradient descent at the same rate is far from it."""
    generator, codes = Linear(), seeded(5, 3, seed=1)
    generator.weight.data[:, 0] *= 0.2  # directions of very different curvature
    images = generator(codes).detach()

    def distance(solver: str) -> float:
        settings = {"solver": solver, "lr": 0.5, "steps": 30, "whiten": False, "patience": None}
        config = InversionConfig(**settings)
        found = invert(generator, images, torch.zeros(5, 3), config)
        return (found.z - least_squares(generator, images)).norm().item()

    assert distance("barzilai-borwein") < 1e-4
    assert distance("gradient-descent") > 1e-2


def test_through_its_operator_codes_are_recovered(example):
    generator, codes = Expanding(), seeded(4, 3, seed=5) / 2
    images = generator(codes).detach()
    seen = MeasurementConfig(operator="fourier-lines", rate=0.25)
    found = invert(generator, images, torch.zeros(4, 3), InversionConfig(measurement=seen))
    assert (found.z - codes).square().mean() < 1e-6
    measurement = make_measurement(seen, (1, 8, 8))
    assert measurement.reduced == (2, 1, 2, 8)
    assert torch.allclose(measurement.reduce(images)[:, 0, 0, 0, 0], images.mean((1, 2, 3)) * 8, atol=1e-5)


def test_its_source_makes_the_discs_that_its_columns_tell(example, tmp_path):
    data = DataConfig.model_validate(
        {"source": "discs", "size": 32, "channels": 1, "options": {"count": 20, "seed": 3}}
    )
    dataset = Catalog(Folder.at(tmp_path)).prepare(data, Resources(backend="local"), lambda task: silent)
    images = dataset.read(0, 20)
    told = pyarrow.parquet.read_table(tmp_path / dataset.folder.name / "images.parquet").to_pylist()
    places = {row["image_id"]: torch.tensor([row["x"], row["y"]]) for row in told}
    assert sorted(images.image_id.tolist()) == sorted(places) == list(range(20))
    across = torch.arange(32).double()
    for image_id, pixels in zip(images.image_id.tolist(), images.pixels.double() / 255, strict=True):
        x, y = (pixels[0].sum(axis) @ across / pixels.sum() for axis in (0, 1))
        assert torch.stack([x, y]).tolist() == pytest.approx(places[image_id].tolist(), abs=0.1)
        radius = 8 if image_id % 2 else 4
        assert pixels.sum().item() == pytest.approx(torch.pi * radius**2, rel=0.03)


def test_its_flow_is_a_density_that_its_draws_have(example, tmp_path):
    """Its density integrates to 1, and is higher at codes of a ring than that of their Gaussian."""
    angle = torch.rand(2000, generator=torch.Generator().manual_seed(0)) * 2 * torch.pi
    ring = torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * seeded(2000, 2)
    store = store_of(Folder.at(tmp_path / "store"), ring)

    def fitted(kind: str, **settings):
        body = {"job": "fit-prior", "store": "codes", "kind": kind, **settings}
        job = FitPriorJob.model_validate(body)
        place = RunFolder(Folder.at(tmp_path / kind))
        context = Context(place, Catalog(Folder.at(tmp_path)), "f", Resources(backend="local"))
        context.inputs["store"] = store.folder
        return run_job(job, context).metrics, load_fitted(place.product("prior"))

    found, flow = fitted("flow", settings={"steps": 300, "width": 32, "lr": 5e-3})
    gaussian, _ = fitted("gaussian")
    assert found["held_out_log_likelihood"] > gaussian["held_out_log_likelihood"] + 0.2
    side = torch.linspace(-3, 3, 241)
    grid = torch.cartesian_prod(side, side)
    assert flow.log_density(grid).exp().sum() * (6 / 240) ** 2 == pytest.approx(1, abs=0.02)
    draws = flow.sample(4000, torch.Generator().manual_seed(1))
    expected = flow.log_density(grid).exp()
    inside = grid.norm(dim=1) < 1
    share = (expected[inside].sum() / expected.sum()).item()
    assert (draws.norm(dim=1) < 1).double().mean().item() == pytest.approx(share, abs=0.04)


def test_its_discrepancy_is_the_mean_of_a_kernel_over_all_pairs(example):
    from preimage_example.two_sample_test import gaussian_kernel, mmd  # pyright: ignore[reportMissingImports]

    x = seeded(8, 3).double()
    kernel = gaussian_kernel(x)
    one, other = [0, 1, 2, 3], [4, 5, 6, 7]

    def mean(rows, columns):
        pairs = [kernel[i, j] for i in rows for j in columns if i != j]
        return sum(pairs) / len(pairs)

    expected = mean(one, one) + mean(other, other) - 2 * mean(one, other)
    assert mmd(kernel, torch.arange(8)) == pytest.approx(float(expected))
    distances = torch.cdist(x, x)
    assert kernel[0, 1] == pytest.approx(
        torch.exp(-(distances[0, 1] ** 2) / (2 * distances[distances > 0].square().median())).item()
    )


def test_its_parts_stand_in_a_pipeline_beside_those_of_preimage(example, tmp_path):
    changes = {**QUIET, "results": str(tmp_path), **SHORTER}
    planned = plan(SPEC, changes, "small")
    outcome = run(planned)
    assert outcome.metrics["compare.held_out_log_likelihood"]["flow"] is not None
    assert outcome.metrics["compare.held_out_log_likelihood"]["pgan"] is None
    assert 0 < outcome.metrics["test.p_value"] <= 1
    assert planned.plugins == MINE
    runs = Folder.at(tmp_path) / "runs"
    by_name = {about["name"]: about for about in (RunFolder(runs / name).about() for name in runs.names())}
    assert {name for name, about in by_name.items() if about.get("plugins") == MINE} == {
        *("discs", "train", "invert", "flow", "compare", "test")
    }
    again = plan(SPEC, changes, "small")
    assert again.is_done


def test_another_version_of_it_makes_other_runs_and_without_it_its_runs_say_what_to_install(
    example, tmp_path, monkeypatch
):
    store = store_of(Folder.at(tmp_path / "codes"), seeded(60, 3))
    spec = {"job": "two-sample-test", "store": store.folder.uri, "permutations": 20}
    changes = {**QUIET, "results": str(tmp_path)}
    outcome = run(spec, changes)
    assert plan(outcome.run, changes).is_done
    (about,) = example.glob("preimage_example-*.dist-info")
    newer = shutil.copytree(example, tmp_path / "newer")
    metadata = newer / about.name / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 0.1", "Version: 0.2"))
    monkeypatch.syspath_prepend(str(newer))
    plugins.forget()
    assert plan(spec, changes).run.name != outcome.run
    monkeypatch.undo()
    plugins.forget()
    with pytest.raises(PluginError, match=r"was made with the plugin preimage-example 0\.1"):
        plan(outcome.run, changes)
    with pytest.raises(SpecError, match="no such job.*install the plugin that brings it"):
        plan(spec, changes)


ON_RAY = """\
steps:
  make:
    job: init-generator
    data: {source: discs, size: 16, channels: 1, options: {count: 40}}
    model: {latent_dim: 4, prior: normal, kernel_size: 4, base_channels: 4}
  invert: {job: invert, generator: make, inversion: {solver: barzilai-borwein, steps: 5}}
  flow: {job: fit-prior, store: invert, kind: flow, settings: {steps: 10, width: 8}}
  test: {job: two-sample-test, store: invert, permutations: 20}
resources: {gpu: false}
tracking: {uri: none}
"""


@pytest.mark.ray
def test_rays_workers_know_its_source_and_its_solver(place, tmp_path):
    (tmp_path / "spec.yaml").write_text(ON_RAY)
    environment = {**os.environ, "PYTHONPATH": str(place), "COLUMNS": "200"}
    words = ["run", str(tmp_path / "spec.yaml"), f"results={tmp_path}", "--json"]
    command = [sys.executable, "-m", "preimage", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])["metrics"]
    assert found["test.codes"] == 40
    assert found["flow.codes"] > 0
