"""The job from images to generator and store, on a few digits."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from declared import run_job
from faulty import planned
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.data.pixels import to_float
from preimage.errors import PreimageError
from preimage.jobs.base import Context
from preimage.jobs.pca import run as pca
from preimage.jobs.pca.job import PcaJob
from preimage.jobs.references import references
from preimage.latents.schema import concatenate
from preimage.models.cards import CONFIG
from preimage.models.config import LinearConfig
from preimage.models.generator_folder import load_generator, load_prior
from preimage.pipelines.execute import execute
from preimage.runs.run_folder import RunFolder
from stores import store_of

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
SETTINGS = PcaJob.model_validate(
    {"data": DATA, "latent_dim": 6, "resources": {"backend": "local", "gpu": False}}
)


@pytest.fixture
def context(folder, digits):
    there = digits.folder.parent
    return Context(RunFolder(folder / "run"), Catalog(there), "a-fingerprint", Resources(backend="local"))


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 64 images, read 20 at a time."""
    monkeypatch.setattr(pca, "ROWS", 64)
    monkeypatch.setattr(pca, "VALUES", 20 * 256)


def test_a_job_leaves_a_generator_and_the_codes_of_all_images(context, digits, small_parts):
    result = run_job(SETTINGS, context)
    images = digits.read(0, 200)
    rows = to_float(images.pixels).flatten(1).double()
    centred = rows - rows.mean(0)
    _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)

    generator, card = load_generator(context.run.product("generator"))
    assert card.generator == SETTINGS.made_generator
    assert card.training["dataset"] == digits.fingerprint
    assert (card.training["job"], card.training["fingerprint"]) == ("pca", "a-fingerprint")
    store = store_of(context.run)
    codes = concatenate(list(store.batches()))
    assert torch.equal(codes.image_id, images.image_id)
    assert all(record.span for record in store.manifest.parts)  # in the order of the dataset
    assert torch.equal(codes.label, images.labels)
    assert codes.converged.all()
    assert not codes.steps.any()
    assert not codes.restart.any()
    assert (store.about.generator.fingerprint, store.about.prior) == (card.fingerprint, "gaussian")

    best = centred @ directions[:6].T @ directions[:6] + rows.mean(0)
    with torch.no_grad():
        assert torch.allclose(generator(codes.z).flatten(1).double(), best, atol=1e-2)
    assert torch.allclose(codes.loss.double(), (best - rows).square().mean(1), rtol=1e-2)
    assert codes.loss.double().mean().item() == pytest.approx((best - rows).square().mean().item(), rel=1e-5)
    prior = load_prior(context.run.product("generator"), card)
    assert prior.support == "anywhere"
    variances = sizes.square() / 199
    assert torch.allclose(prior.root.double().square(), variances[:6].diag(), rtol=1e-4)
    assert not prior.mean.any()

    shown = [each.name for each in SETTINGS.metrics() if each.headline]
    assert shown == ["images", "latent_dim", "reconstruction_error", "explained"]
    assert result.metrics["images"] == 200
    assert result.metrics["explained"] == pytest.approx(
        (variances[:6].sum() / variances.sum()).item(), rel=1e-4
    )
    assert list(result.figures) == ["reconstructions.png", "components.png", "explained.png"]
    for png in result.figures.values():
        picture = np.asarray(Image.open(io.BytesIO(png)))
        assert picture.std() > 1


def test_a_killed_job_resumes(context, small_parts, monkeypatch):
    encoded, most = [], [64 + 20]
    codes_of = pca._codes

    def counted(*arguments):
        if sum(encoded) >= most[0]:
            raise KeyboardInterrupt
        encoded.append(len(arguments[1]))
        return codes_of(*arguments)

    monkeypatch.setattr(pca, "_codes", counted)
    with pytest.raises(KeyboardInterrupt):  # within the second part
        run_job(SETTINGS, context)
    encoded.clear()
    most[0] = 200
    first, generator = (
        context.run.product("store").names(),
        context.run.product("generator").modified_ms(CONFIG),
    )
    assert sum(name.endswith(".parquet") for name in first) == 1
    before = {name: context.run.product("store").modified_ms(name) for name in first}
    monkeypatch.setattr(pca, "principal_components", None)  # not to be called again
    result = run_job(SETTINGS, context)
    assert sum(encoded) == 200 - 64
    assert context.run.product("generator").modified_ms(CONFIG) == generator
    assert {name: context.run.product("store").modified_ms(name) for name in first} == before

    undisturbed = Context(RunFolder(context.run.folder / "other"), context.catalog, "", context.resources)
    monkeypatch.undo()
    monkeypatch.setattr(pca, "ROWS", 64)
    monkeypatch.setattr(pca, "VALUES", 20 * 256)
    again = run_job(SETTINGS, undisturbed)
    assert result.metrics == again.metrics
    assert store_of(context.run).fingerprint == store_of(undisturbed.run).fingerprint


def test_images_are_read_a_few_at_a_time(digits, small_parts):
    batches = list(pca.ImageStream(digits, torch.device("cpu"))(10, 71))
    assert [len(ids) for ids, _, _ in batches] == [20, 20, 20, 1]
    expected = digits.read(10, 71)
    assert torch.equal(torch.cat([images for _, _, images in batches]), to_float(expected.pixels))
    assert torch.equal(torch.cat([ids for ids, _, _ in batches]), expected.image_id)


def test_its_generator_can_be_inverted_in_the_same_pipeline(tmp_path):
    steps = {
        "components": {"job": "pca", "data": DATA, "latent_dim": 4},
        "codes": {"job": "invert", "generator": "components", "inversion": {"solver": "levenberg-marquardt"}},
    }
    plan = planned(tmp_path, steps)
    outcome = execute(plan)
    own, found = (concatenate(list(store_of(step.run).batches(["z", "loss"]))) for step in plan.steps)
    assert torch.equal(own.image_id, found.image_id)
    assert torch.allclose(own.z, found.z, atol=1e-2)
    assert outcome.metrics["codes.reconstruction_error"] == pytest.approx(
        own.loss.double().mean().item(), rel=1e-5
    )
    assert outcome.products["components.generator"] == plan.steps[0].run.product("generator").uri


@pytest.mark.parametrize(
    ("data", "d", "message"),
    [
        ({}, 200, "200 images of 256 pixels, channels included, have at most 199"),
        ({"max_images": None}, 257, "1797 images of 256 pixels, channels included, have at most 256"),
        (
            {"source": "cifar10", "max_images": None},
            257,
            "images of 256 pixels, channels included, have at most 256",
        ),
        ({"source": "cifar10"}, 200, "have at most 199"),
        (
            {"source": "folder", "path": "nowhere", "max_images": None},
            257,
            "data.path=nowhere does not exist",
        ),
    ],
)
def test_a_latent_dimension_that_cannot_be_had_is_refused_before_any_work(folder, data, d, message):
    settings = PcaJob.model_validate({"data": DATA | data, "latent_dim": d})
    with pytest.raises(PreimageError, match=message):
        settings.check(Catalog(folder))


def test_it_needs_images_alone_and_makes_a_generator_and_a_store():
    assert references(SETTINGS) == {}
    assert SETTINGS.own_data == SETTINGS.data
    assert PcaJob.makes == {"generator", "store"}


def test_what_can_be_had_is_planned_as_a_linear_generator(folder):
    SETTINGS.check(Catalog(folder))
    SETTINGS.model_copy(update={"latent_dim": 199}).check(Catalog(folder))
    assert SETTINGS.made_generator == LinearConfig(latent_dim=6, prior="gaussian", image_size=16, channels=1)
    assert SETTINGS.cost(200) == {"images": 200, "images read, about": 1600}
    assert SETTINGS.cost(None) == {"passes over the images, about": 8}
