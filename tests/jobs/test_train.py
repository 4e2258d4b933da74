"""The trainings that give every image a code, as jobs: what they leave, and what they refuse beforehand."""

import io
import json

import pytest
import torch
import yaml
from rich.console import Console

from faulty import planned
from preimage.cli.report import show_outcome
from preimage.errors import PreimageError, SpecError, StoreError
from preimage.metrics.prior_std import PagError
from preimage.models.generator_folder import load_generator, load_prior
from preimage.pipelines.describe import summarize
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.specs.load import loads
from stores import store_of

SHORT = {
    "total_images": 1_200,
    "batch_size": 40,
    "log_every": 200,
    "sample_every": 600,
    "checkpoint_every": 400,
}
GLO = {
    "job": "train-glo",
    "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 200},
    "model": {"latent_dim": 6, "base_channels": 4},
    "training": SHORT,
}
AUTOENCODER = GLO | {"job": "train-autoencoder"}


@pytest.mark.parametrize("step", [GLO, AUTOENCODER], ids=["glo", "autoencoder"])
def test_a_training_with_codes_leaves_a_generator_a_store_and_pictures(tmp_path, step):
    plan = planned(tmp_path, {"train": step})
    outcome = execute(plan)
    run = plan.steps[0].run
    generator, card = load_generator(run.product("generator"))
    store = store_of(run)
    codes = store.head(200)
    assert len(codes) == outcome.metrics["train.images"] == 200
    assert outcome.metrics["train.reconstruction_error"] == pytest.approx(codes.loss.double().mean().item())
    assert outcome.metrics["train.images_seen"] == card.training["images_seen"] == 1_200
    assert set(outcome.figures or {}) == {"train.samples", "train.reconstructions", "train.loss"}
    assert run.samples.names() == [f"{seen:012d}.png" for seen in (0, 600, 1200)]
    prior = load_prior(run.product("generator"), card)
    drawn = prior.sample(8, torch.Generator().manual_seed(0))
    assert generator(drawn).shape == (8, 1, 16, 16)
    assert store.about.prior == prior.name == card.generator.prior


def test_a_step_can_measure_and_invert_what_glo_left(tmp_path):
    """Its store and its generator are like any other's; of its own prior only the spread must be given."""
    inversion = {"solver": "lbfgs", "steps": 3, "batch_size": 64, "init_codes": "prior"}
    steps = {
        "glo": GLO,
        "pag": {"job": "pag", "store": "glo", "std": 6**-0.5},
        "invert": {"job": "invert", "generator": "glo", "inversion": inversion | {"constraint": "ball"}},
    }
    plan = planned(tmp_path, steps)
    outcome = execute(plan)
    assert outcome.metrics["pag.pag"] > 0
    found = store_of(plan.steps[2].run).head(200)
    assert found.z.norm(dim=1).max() <= 1 + 1e-5
    with pytest.raises(PagError, match="'gaussian-in-ball' does not determine the prior's std"):
        execute(planned(tmp_path, {"glo": GLO, "pag": {"job": "pag", "store": "glo"}}))


def test_more_dimensions_than_the_images_have_components_are_refused_by_the_plan(tmp_path):
    with pytest.raises(PreimageError, match="at most 199 principal components"):
        planned(tmp_path, {"glo": GLO | {"model": {"latent_dim": 300, "base_channels": 4}}})
    random = GLO | {"model": {"latent_dim": 300, "base_channels": 4}, "codes": {"init": "random"}}
    assert execute(planned(tmp_path, {"glo": random})).metrics["glo.images"] == 200


def test_what_a_finished_run_lost_is_made_again_and_nothing_else(tmp_path):
    execute(planned(tmp_path, {"glo": GLO}))
    run = planned(tmp_path, {"glo": GLO}).steps[0].run
    before = store_of(run)
    kept = (run.product("store").local / "part-00000.parquet").stat().st_mtime_ns
    for name in ("part-00003.parquet", "_part-00003.json", "_manifest.json"):
        run.product("store").remove(name)
    again = planned(tmp_path, {"glo": GLO})
    assert again.steps[0].state == "begun"
    execute(again)
    assert store_of(run).fingerprint == before.fingerprint
    assert (run.product("store").local / "part-00000.parquet").stat().st_mtime_ns == kept
    run.product("generator").remove("config.json")
    execute(planned(tmp_path, {"glo": GLO}))
    assert load_generator(run.product("generator"))[1].fingerprint == before.about.generator.fingerprint


def test_the_plan_refuses_a_store_of_another_generator(tmp_path):
    plan = planned(tmp_path, {"glo": GLO, "autoencoder": AUTOENCODER})
    execute(plan)
    mixed = dict(zip(("generator", "store"), (step.run.name for step in plan.steps), strict=True))
    with pytest.raises(StoreError, match="codes of another generator: give the one"):
        planned(tmp_path, {"explore": {"job": "explore", **mixed}})


def test_a_batch_larger_than_the_dataset_is_refused(tmp_path):
    with pytest.raises(PreimageError, match="200 images do not fill a batch of 400"):
        planned(tmp_path, {"glo": GLO | {"training": SHORT | {"batch_size": 400}}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "l1"}, "loss: 'l1': no such loss; did you mean 'lap1'."),
        ({"codes": {"init": "zero"}}, "codes.init: .*'pca', 'pca-whitened' or 'random'"),
        (
            {"training": {"select_by": "discriminator_loss"}},
            "training.select_by must be one of loss, code_norm",
        ),
        ({"data": {"source": "digits", "size": 18}}, "data.size=18 does not .* are 16 and 20"),
        ({"model": {"prior": "normal"}}, "model.prior: no such key"),
    ],
)
def test_mistakes_in_a_spec_are_named(change, message):
    with pytest.raises(SpecError, match=message):
        loads(yaml.safe_dump(GLO | change), "glo.yaml", "glo")


def test_what_was_run_can_be_run_again_from_its_own_record(tmp_path):
    """Also where inputs are named by dotted keys and in lists."""
    inversion = {"solver": "lbfgs", "steps": 2, "batch_size": 64, "init_codes": "prior"}
    table = {
        "job": "compare-reconstructions",
        "methods": {"GLO (L2)": "glo", "GAN": {"generator": "glo", "store": "invert"}},
        "dimensions": ["glo"],
    }
    invert = {"job": "invert", "generator": "glo", "inversion": inversion}
    plan = planned(tmp_path, {"glo": GLO, "invert": invert, "table": table})
    execute(plan)
    spec = plan.steps[2].run.folder.read("spec.yaml").decode()
    again = make_plan(loads(spec, "spec.yaml", "again"))
    assert again.steps[0].inputs.keys() == plan.steps[2].inputs.keys()
    folders = {key: each.folder.path for key, each in plan.steps[2].inputs.items()}
    assert {key: each.folder.path for key, each in again.steps[0].inputs.items()} == folders
    assert again.steps[0].fingerprint == plan.steps[2].fingerprint


def test_the_table_of_methods_is_shown_when_all_is_done(tmp_path):
    table = {"job": "compare-reconstructions", "methods": {"GLO (L2)": "glo", "DCAE": "autoencoder"}}
    plan = planned(tmp_path, {"glo": GLO, "autoencoder": AUTOENCODER, "table": table})
    console = Console(record=True, width=120, file=io.StringIO())
    outcome = execute(plan)
    show_outcome(console, summarize(plan, outcome))
    lines = [line.split() for line in console.export_text().splitlines()]
    rows = {tuple(words[:2]) for words in lines if words}
    assert {("GLO", "(L2)"), ("DCAE", "6")} <= rows
    ordering = ", ".join(outcome.metrics["table.ordering"]).split()
    assert ["table", "ordering", *ordering] in lines

    for step in plan.steps:  # as an earlier version wrote it
        kept = json.loads(step.run.folder.read("outcome.json"))
        del kept["headline"]
        step.run.folder.write("outcome.json", json.dumps(kept).encode())
    again = planned(tmp_path, {"glo": GLO, "autoencoder": AUTOENCODER, "table": table})
    assert summarize(again, outcome).metrics == summarize(plan, outcome).metrics != ()
