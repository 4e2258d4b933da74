"""A generator before its training: its initial weights, its statistics, and its provenance."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.jobs.base import Context, headline
from preimage.jobs.init_generator.job import InitGeneratorJob
from preimage.jobs.train.gan import TrainGanJob
from preimage.latents.priors import Normal
from preimage.models.dcgan import build_pair
from preimage.models.generator_folder import load_generator
from preimage.runs.run_folder import RunFolder

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
MODEL = {"latent_dim": 6, "base_channels": 4}


def config(**settings):
    return InitGeneratorJob.model_validate({"data": DATA, "model": MODEL, "seed": 3} | settings)


@pytest.fixture
def context(folder, digits):
    there = digits.folder.parent
    return Context(
        RunFolder(folder / "run"), Catalog(there), "a-fingerprint", Resources(backend="local", gpu=False)
    )


def test_it_leaves_the_generator_that_a_training_run_begins_with(context, digits):
    result = run_job(config(), context)
    generator, card = load_generator(context.run.product("generator"))
    trained = TrainGanJob.model_validate({"data": DATA, "model": MODEL, "seed": 3})
    assert card.generator == config().made_generator == trained.made_generator
    first, _ = build_pair(trained.made_generator, trained.seed)
    for name, weight in first.named_parameters():
        assert torch.equal(generator.get_parameter(name), weight), name
    assert card.training == {
        "job": "init-generator",
        "fingerprint": "a-fingerprint",
        "data": config().data.model_dump(mode="json"),
        "dataset": digits.fingerprint,
        "images_seen": 0,
        "batchnorm": "settled",
    }
    assert config().metrics() == headline("parameters", "images_seen")
    assert result.metrics["images_seen"] == config().cost(None)["images seen"] == 0
    assert np.asarray(Image.open(io.BytesIO(result.figures["samples.png"]))).std() > 1


def test_its_images_differ_as_those_of_a_batch_in_training_do(context):
    """With BatchNorm's initial statistics they would be nearly constant."""
    run_job(config(), context)
    generator, _ = load_generator(context.run.product("generator"))
    codes = Normal(6).sample(512, torch.Generator().manual_seed(9))
    with torch.no_grad():
        constant = build_pair(config().made_generator, 3)[0].eval()(codes)
        batch = build_pair(config().made_generator, 3)[0].train()(codes)
        spread = [each.std(0).mean().item() for each in (generator(codes), batch, constant)]
    assert spread[0] == pytest.approx(spread[1], rel=0.05)
    assert spread[2] < 0.1 * spread[0]


def test_with_initial_statistics_it_is_the_network_as_it_was_built(context):
    run_job(config(batchnorm="initial"), context)
    generator, card = load_generator(context.run.product("generator"))
    codes = Normal(6).sample(8, torch.Generator().manual_seed(9))
    with torch.no_grad():
        assert torch.equal(generator(codes), build_pair(config().made_generator, 3)[0].eval()(codes))
    assert card.training["batchnorm"] == "initial"


def test_another_seed_gives_another_one_and_the_same_the_same(context):
    found = []
    for seed in (3, 3, 4):
        run_job(config(seed=seed), context)
        found.append(load_generator(context.run.product("generator"))[1].fingerprint)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": DATA | {"size": 18}}, "data.size=18 does not suit a DCGAN"),
        ({"training": {"total_images": 10}}, "Extra inputs"),
        ({"model": {"prior": "gaussian"}}, "'normal' or 'uniform'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        config(**settings)
