"""Exploring: the job from generator and store to pictures and table, on a linear generator of digits."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from declared import run_job
from explore_jobs import DATA, DIM, config
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.data.pixels import to_float
from preimage.errors import DataError, GeneratorError, StoreError
from preimage.jobs.base import Context, headline
from preimage.jobs.explore.beside import open_beside
from preimage.jobs.explore.config import Arithmetic, Beside
from preimage.jobs.explore.run import DrawConditionally
from preimage.jobs.explore.walks import Walker, images_of
from preimage.jobs.sampling import draw_codes
from preimage.latents.priors import Gaussian
from preimage.latents.walks import fit_gaussian
from preimage.models.generator_folder import write_generator
from preimage.runs.run_folder import RunFolder
from stores import linear_generator, write_store

LOST = 0
"""The row of the image whose search diverged."""


@pytest.fixture
def generator():
    return linear_generator(DIM, seed=0)


@pytest.fixture
def codes():
    return torch.randn(60, DIM, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def card(generator, folder):
    return write_generator(generator, folder / "generator", {"data": DATA})


@pytest.fixture
def store(folder, card, digits, codes):
    """Codes of 60 of the 200 digits, all of label 0."""
    return write_store(folder / "store", card, digits, codes, digits.read(0, 60).image_id, lost=(LOST,))


@pytest.fixture
def context(folder, store, digits):
    there = digits.folder.parent
    inputs = {"generator": folder / "generator", "store": folder / "store"}
    return Context(
        RunFolder(folder / "run"), Catalog(there), "", Resources(backend="local", gpu=False), inputs
    )


def test_a_job_leaves_pictures_a_table_and_metrics(folder, context, store):
    sums = [{"plus": [{"label": "0"}, {"ids": store.head(3).image_id.tolist()[1:]}], "minus": [{"label": 0}]}]
    settings = config(arithmetic=sums)
    result = run_job(settings, context)
    shown = tuple(each for each in settings.metrics() if each.headline)
    assert shown == headline("relative_error", "spread", "spread_unconditional")
    assert (result.metrics["codes"], result.metrics["samples"]) == (60, 5)
    assert result.metrics["relative_error"] < 1e-4
    assert 0 < result.metrics["spread"] < result.metrics["spread_unconditional"]
    names = ("samples.png", "interpolations.png", "arithmetic.png", "conditional.png")
    assert tuple(result.figures) == names
    for picture in result.figures.values():
        assert np.asarray(Image.open(io.BytesIO(picture)).convert("L")).std() > 1
    ids = store.head(3).image_id.tolist()
    lines = result.table.splitlines()
    assert [line.split(" | ")[0] for line in lines[-3:]] == [f"| {ids[1]}", f"| {ids[2]}", "| **all**"]
    trials = folder / "run" / "trials"
    assert len(trials.names()) == 2
    before = {name: trials.modified_ms(name) for name in trials.names()}
    assert run_job(settings, context) == result
    assert before == {name: trials.modified_ms(name) for name in trials.names()}


def test_without_arithmetic_there_is_no_picture_of_it(context):
    assert "arithmetic.png" not in run_job(config(conditions=1), context).figures


def size(png):
    return Image.open(io.BytesIO(png)).size


def test_other_generators_stand_beside_it_with_codes_or_without(folder, context, digits, codes):
    """Codes give a row of interpolations of the same pairs; without them there are samples alone."""
    other = linear_generator(DIM, seed=3)
    card = write_generator(other, folder / "other" / "generator", {"data": DATA})
    write_store(folder / "other" / "store", card, digits, codes.flip(0), digits.read(0, 60).image_id)
    inputs = {f"beside.{name}.generator": folder / "other" / "generator" for name in ("GLO (Lap1)", "GAN")}
    inputs["beside.GLO (Lap1).store"] = folder / "other" / "store"
    beside = {"GLO (Lap1)": "other", "GAN": {"generator": "other"}}
    there = replace(context, inputs=context.inputs | inputs)
    alone = run_job(config(conditions=0), context)
    found = run_job(config(conditions=0, title="GLO (L2)", beside=beside), there)
    assert list(found.figures) == ["samples.png", "interpolations.png"]
    assert found.metrics == alone.metrics == {"codes": 60, "samples": 5}
    width, height = size(alone.figures["samples.png"])
    assert size(found.figures["samples.png"]) == (pytest.approx(3 * width, rel=0.1), height)
    tall, taller = (size(each.figures["interpolations.png"])[1] for each in (alone, found))
    assert 1.3 < taller / tall < 1.5  # three rows in place of two


def test_a_generator_without_codes_draws_from_its_own_prior_and_others_from_the_fitted_one(
    folder, context, store, digits
):
    own = open_beside("GAN", "", Beside.model_validate({"generator": "g"}), digits, as_input(context, ""))
    expected = draw_codes(own.prior, 4, 7)
    assert own.walker is None
    assert own.drawn_from == "its own prior"
    with torch.no_grad():
        assert torch.allclose(own.samples(4, 7), own.generator(expected))
    assert abs(expected).max() < 5  # N(0, I), as the card says
    fitted = open_beside(
        "GLO", "", Beside.model_validate({"generator": "g", "store": "s"}), digits, as_input(context, "")
    )
    assert torch.allclose(fitted.prior.mean, fit_gaussian(store).mean)


def as_input(context, key):
    return replace(context, inputs={f"{key}.{part}": each for part, each in context.inputs.items()})


def test_one_beside_it_that_does_not_belong_is_refused_with_its_name(folder, context, digits):
    small = linear_generator(DIM, seed=0, size=8)
    write_generator(small, folder / "small" / "generator", {})
    there = replace(context, inputs=context.inputs | {"beside.GAN.generator": folder / "small" / "generator"})
    with pytest.raises(GeneratorError, match="GAN: the generator makes images of 1 x 8 x 8"):
        run_job(config(beside={"GAN": {"generator": "small"}}), there)
    mixed = {"beside.GAN.generator": folder / "generator", "beside.GAN.store": folder / "store"}
    write_generator(linear_generator(DIM, seed=9), folder / "third" / "generator", {"data": DATA})
    mixed["beside.GAN.generator"] = folder / "third" / "generator"
    with pytest.raises(StoreError, match="GAN: .* codes of another generator"):
        run_job(config(beside={"GAN": "x"}), replace(context, inputs=context.inputs | mixed))


def test_interpolations_are_of_the_pairs_asked_for(generator, store, digits, codes):
    walker, ids = Walker(generator, store, digits), store.head(6).image_id.tolist()
    pairs = (ids[5], ids[2]), (ids[1], ids[1])
    made, blended = walker.lines(pairs, 3), walker.blends(pairs, 3)
    with torch.no_grad():
        expected = generator(torch.stack([codes[5], (codes[5] + codes[2]) / 2, codes[2]]))
    assert torch.allclose(made[0], expected, atol=1e-5)
    assert torch.allclose(made[1], made[1, :1].expand_as(made[1]), atol=1e-6)
    images = to_float(digits.read(0, 6).pixels)
    assert torch.allclose(blended[0], torch.stack([images[5], (images[5] + images[2]) / 2, images[2]]))
    first = walker.lines(walker.pairs(2), 2)  # the first image's search diverged
    with torch.no_grad():
        assert torch.allclose(first, generator(codes[1:5]).unflatten(0, (2, 2)), atol=1e-5)


def test_a_sum_shows_its_terms_and_what_they_give(generator, store, digits, codes):
    ids = store.head(9).image_id.tolist()
    asked = Arithmetic.model_validate(
        {"plus": [{"ids": ids[2:6]}, {"label": 0}], "minus": [{"ids": [ids[8]]}]}
    )
    terms = Walker(generator, store, digits).sum(asked)
    assert [(term.sign, term.name) for term in terms] == [
        ("+", "4 images"),
        ("+", "0"),
        ("\N{MINUS SIGN}", "1 image"),
        ("=", ""),
    ]
    means = torch.stack([codes[2:6].mean(0), codes[1:].mean(0), codes[8]])
    with torch.no_grad():
        expected = generator(torch.cat([means, means[:1] + means[1:2] - means[2:]]))
    assert torch.allclose(torch.stack([term.image for term in terms]), expected, atol=1e-5)
    shown = to_float(digits.read(0, 9).pixels)
    assert torch.equal(terms[0].members, shown[2:5])
    assert torch.equal(terms[1].members, shown[1:4])


def test_images_are_chosen_by_their_columns(generator, store, digits, codes):
    ids = store.head(60).image_id.tolist()
    where = f"image_id in ({ids[9]}, {ids[LOST]}, {ids[3]}, {ids[30]})"
    asked = Arithmetic.model_validate(
        {"plus": [{"where": where}, {"where": where, "max_images": 2}, {"label": 0, "max_images": 3}]}
    )
    walker = Walker(generator, store, digits)
    terms = walker.sum(asked)
    assert [term.name for term in terms] == [where, where, "0", ""]
    means = torch.stack([codes[[3, 9, 30]].mean(0), codes[[3, 9]].mean(0), codes[1:4].mean(0)])
    with torch.no_grad():
        assert torch.allclose(torch.stack([term.image for term in terms[:3]]), generator(means), atol=1e-5)
    assert torch.equal(terms[1].members, images_of(digits, [ids[3], ids[9]]))
    assert walker.chooser.ids(asked.plus[0], 2) == [ids[3], ids[9]]


def test_images_to_complete_are_chosen_by_their_columns(context, store):
    ids = store.head(60).image_id.tolist()
    settings = config(conditions={"where": f"image_id in ({ids[9]}, {ids[3]})", "max_images": 6})
    table = run_job(settings, context).table.splitlines()
    assert [line.split(" | ")[0] for line in table[-3:]] == [f"| {ids[3]}", f"| {ids[9]}", "| **all**"]


def test_images_come_in_the_order_they_are_asked_for(digits):
    every = digits.read(0, 200)
    ids = every.image_id[[150, 3, 150]].tolist()
    assert torch.equal(images_of(digits, ids), to_float(every.pixels[[150, 3, 150]]))


def test_a_trial_finds_draws_that_agree_with_what_is_seen(generator, card, folder, digits):
    work = DrawConditionally(folder / "generator", Gaussian(torch.zeros(DIM), torch.eye(DIM)), config())
    image = to_float(digits.read(0, 1).pixels)[0]
    found = work((7, image), torch.device("cpu"))
    assert {name: tuple(each.shape) for name, each in found.items()} == {
        "z": (3, DIM), "relative_error": (3,), "diverged": (3,), "spread": (1,), "unconditional": (1,),
    }  # fmt: skip
    drawn = work.drawn(7, image, found["z"])
    with torch.no_grad():
        assert torch.allclose(drawn.images, torch.cat([image[None], generator(found["z"])]), atol=1e-5)
    blocks = drawn.images.unflatten(2, (2, 8)).unflatten(4, (2, 8)).mean((3, 5))
    assert torch.allclose(drawn.seen, blocks, atol=1e-5)
    error = (blocks[1:] - blocks[:1]).square().sum((1, 2, 3)) / blocks[0].square().sum()
    assert torch.allclose(found["relative_error"], error, rtol=1e-3, atol=1e-6)


def test_codes_of_another_generator_or_of_other_images_are_refused(folder, context, card, digits, codes):
    write_generator(linear_generator(DIM, seed=9), folder / "generator", {"data": DATA})
    with pytest.raises(StoreError, match="codes of another generator: give the one"):
        run_job(config(), context)
    write_generator(linear_generator(DIM, seed=0), folder / "generator", {"data": DATA})
    with pytest.raises(StoreError, match="stand for other images than digits train"):
        run_job(config(data=DATA | {"max_images": 100}), context)
    write_generator(linear_generator(DIM, seed=0), folder / "generator", {})
    with pytest.raises(GeneratorError, match="does not say what it was trained on: .* data.source"):
        run_job(config(), context)
    with pytest.raises(GeneratorError, match="set data.channels=1 data.size=16"):
        run_job(config(data=DATA | {"size": 32}), context)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interpolations": [[1, 99_999]]}, "no code of image 1, 99999, or"),
        ({"conditions": [99_999]}, "no code of image 99999"),
        ({"arithmetic": [{"plus": [{"label": 7}]}]}, "7: the store has no code .* the labels 0"),
        ({"arithmetic": [{"plus": [{"ids": [99_999]}]}]}, "no code of image 99999"),
    ],
)
def test_images_and_labels_that_are_not_in_the_store_are_refused(context, settings, message):
    with pytest.raises(StoreError, match=message):
        run_job(config(**settings), context)


def test_a_class_that_is_not_there_is_refused_with_those_that_are(context):
    with pytest.raises(DataError, match="no class 'seven'; its classes are 0, 1, 2"):
        run_job(config(arithmetic=[{"plus": [{"label": "seven"}]}]), context)
