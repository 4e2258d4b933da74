"""What can be asked of inverted images, against closed forms and the jobs that answer the same."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import preimage
import strangers
from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import InversionError, PreimageError, StoreError
from preimage.jobs.base import Context
from preimage.jobs.fit_prior.job import FitPriorJob
from preimage.jobs.pag.job import PagJob
from preimage.latents.verify import verify
from preimage.metrics.pag import store_pag
from preimage.models.prior_folder import load_fitted
from preimage.runs.run_folder import RunFolder
from stores import linear_generator

DIM, COUNT = 3, 40
LABELS = torch.arange(COUNT) % 4


@pytest.fixture(scope="module")
def generator():
    return linear_generator(DIM, 0)


@pytest.fixture(scope="module")
def found(generator):
    codes = torch.randn(COUNT, DIM, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        images = generator(codes)
    return preimage.invert(generator, images, prior="normal", labels=LABELS, ids=100 + torch.arange(COUNT))


@pytest.fixture
def diverged(found):
    """The same, the search for rows 2 and 5 diverged."""
    loss = found.loss.clone()
    loss[[2, 5]] = torch.nan
    return replace(found, codes=replace(found.codes, loss=loss))


@torch.no_grad()
def made(generator, codes):
    return generator(codes)


def context(folder, store):
    place = RunFolder(folder / "run")
    return Context(place, Catalog(folder), "f", Resources(backend="local"), {"store": store.folder})


def test_pag_is_that_of_the_job_on_the_saved_store(diverged, folder):
    job = PagJob.model_validate({"store": "s"})
    expected = run_job(job, context(folder, diverged.save(folder / "store"))).metrics
    result = diverged.pag()
    measured = (result.pag, result.pag_raw, result.count, result.skipped)
    assert measured == tuple(expected[name] for name in ("pag", "pag_raw", "pag_n", "pag_skipped"))
    assert result.skipped == 2
    store = preimage.Store.open(folder / "store")
    assert diverged.pag(std=2.0).pag == store_pag(store, 2.0).pag
    assert diverged.pag(diverged.fit()).pag == store_pag(store, prior=diverged.fit()).pag


@pytest.mark.parametrize("kind", ["gaussian", "diagonal", "box"])
def test_a_fitted_prior_is_that_of_the_job_that_holds_nothing_out(diverged, folder, kind):
    job = FitPriorJob.model_validate({"store": "s", "kind": kind, "held_out": 0.0})
    run_job(job, context(folder, diverged.save(folder / "store")))
    expected, fitted = load_fitted(folder / "run" / "prior").tensors(), diverged.fit(kind).tensors()
    assert all(torch.equal(fitted[name], expected[name]) for name in expected)


def test_a_mixture_needs_its_components(found):
    assert len(found.fit("mixture", components=2).tensors()["weights"]) == 2
    for kind, settings, why in (
        ("mixture", {}, "settings.components: is required"),
        ("gaussian", {"components": 2}, "gaussian has no settings of its own"),
        ("normal", {}, "kind: 'normal': no such prior; "),
    ):
        with pytest.raises(InversionError, match=why):
            found.fit(kind, **settings)


def test_a_walk_goes_straight_from_one_reconstruction_to_the_other(found, generator):
    walk = found.walk(0, 7, steps=5)
    assert torch.allclose(walk.images[[0, -1]], found.reconstructions[[0, 7]], atol=1e-6)
    assert torch.allclose(walk.codes[2], (found.z[0] + found.z[7]) / 2, atol=1e-6)
    assert torch.allclose(walk.images[2], found.reconstructions[[0, 7]].mean(0), atol=1e-6)
    assert len(walk) == 5


def test_an_average_is_the_image_of_the_mean_code(found, diverged, generator):
    mean = found.z[LABELS == 3].mean(0, keepdim=True)
    assert torch.allclose(found.average(label=3).images, made(generator, mean), atol=1e-6)
    assert torch.allclose(found.average([0, 4]).codes, found.z[[0, 4]].mean(0, keepdim=True), atol=1e-6)
    assert torch.equal(diverged.average([2, 3]).codes, found.z[3:4]), "without those that diverged"
    with pytest.raises(InversionError, match="no image has label 9; there are 0, 1, 2, 3"):
        found.average(label=9)
    with pytest.raises(InversionError, match="give either rows"):
        found.average()


def test_the_worst_have_the_highest_loss_after_those_that_diverged(found, diverged):
    order = np.argsort(-found.loss.numpy(), kind="stable")
    assert found.worst(3).ids.tolist() == (100 + order[:3]).tolist()
    assert sorted(diverged.worst(2).ids.tolist()) == [102, 105]
    assert len(found.worst(1000)) == COUNT


@pytest.mark.parametrize(
    "rows", [slice(3, 9), LABELS == 2, (LABELS == 2).numpy(), [7, 1], 5, torch.tensor([0])]
)
def test_some_of_them_are_inverted_images_too(found, rows):
    some, at = found[rows], np.atleast_1d(np.arange(COUNT)[rows])
    assert some.ids.tolist() == (100 + at).tolist()
    assert torch.equal(some.images, found.images[at])
    assert torch.equal(some.z, found.z[at])


def test_what_is_saved_is_a_whole_store_of_the_same_codes(diverged, folder):
    store = diverged.save(folder / "codes")
    report = verify(folder / "codes")
    assert (report.count, report.search.diverged, report.parts) == (COUNT, 2, 1)
    codes = preimage.Store.open(folder / "codes").head(COUNT)
    for name in ("image_id", "label", "z", "steps", "restart", "converged"):
        assert torch.equal(getattr(codes, name), getattr(diverged.codes, name)), name
    assert store.about.solver["seed"] == 0
    assert diverged.save(folder / "codes").fingerprint == store.fingerprint
    with pytest.raises(StoreError, match="another plan"):
        diverged[:9].save(folder / "codes")
    assert verify(folder / "codes") == report


def test_given_starts_and_other_weights_are_another_store(found, generator, folder):
    """Their codes differ, so the one is never taken for the other."""
    started = preimage.invert(generator, found.images, prior="normal", init_codes=found.z, steps=3)
    plain = preimage.invert(generator, found.images, prior="normal", steps=3)
    started.save(folder / "codes")
    with pytest.raises(StoreError, match="init_codes"):
        plain.save(folder / "codes")
    other = torch.nn.Sequential(linear_generator(DIM, 1))
    same = torch.nn.Sequential(generator)
    stores = [
        preimage.invert(net, found.images, prior="normal", steps=3, latent_dim=DIM).save(folder / str(i))
        for i, net in enumerate((other, same, same))
    ]
    first, second, third = (store.about.generator.fingerprint for store in stores)
    assert first != second == third


def test_a_table_has_a_row_for_each_image(diverged):
    table = diverged.to_pandas()
    assert list(table.columns[:6]) == ["image_id", "label", "loss", "steps", "restart", "converged"]
    assert np.array_equal(table[["z0", "z1", "z2"]].to_numpy(), diverged.z.numpy())
    assert table.loss.isna().sum() == 2


def test_in_a_notebook_each_image_is_above_its_reconstruction(diverged):
    picture = Image.open(io.BytesIO(diverged[:2]._repr_png_())).convert("L")
    pixels, scale = np.asarray(picture), picture.width // 38  # twice 16 pixels, and 2 beside each
    drawn = pixels[scale * 2 + scale // 2 :: scale, scale * 2 + scale // 2 :: scale]
    expected = preimage.to_uint8(diverged.images[0, 0]).numpy()
    assert np.array_equal(drawn[:16, :16], expected)
    assert np.array_equal(drawn[17:33, :16], preimage.to_uint8(diverged.reconstructions[0, 0]).numpy())
    text = "40 images of 1 x 16 x 16, codes of 3 components, mean loss"
    assert repr(diverged).startswith(f"<{text}")
    assert "2 diverged" in repr(diverged)
    html = diverged._repr_html_()
    assert "data:image/png;base64," in html
    assert text in html


def test_a_generated_image_in_0_1_is_as_bright_in_a_notebook(found):
    grey = torch.full((2, 1, 4, 4), 0.25)
    shown = replace(found.walk(0, 1), images=grey, value_range=(0.0, 1.0))
    picture = np.asarray(Image.open(io.BytesIO(shown._repr_png_())).convert("L"))
    assert set(np.unique(picture)) == {64, 255}


def test_no_code_is_no_average_and_no_pag(diverged):
    with pytest.raises(InversionError, match="give either std or a prior"):
        diverged.pag(diverged.prior, std=1.0)
    with pytest.raises(PreimageError, match="PAG needs at least as many codes as dimensions"):
        diverged[:2].pag()


def test_the_rank_is_how_many_directions_determine_an_image():
    """Two components of three reach the image."""
    generator = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, (1, 4, 4)))
    generator.get_parameter("0.weight").data[:, 2] = 0
    with torch.no_grad():
        images = generator(torch.randn(6, 3))
    rank = preimage.invert(generator, images, "normal").rank(4)
    assert (rank.found.rank, rank.prior.rank, rank.found.codes, rank.latent_dim) == (2, 2, 4, 3)


def test_a_conditional_generator_is_asked_with_each_images_own_label(tmp_path):
    torch.manual_seed(0)
    network = strangers.Conditional().eval()
    preimage.save_generator(network, tmp_path / "g", latent_dim=3, output=0, labels="y", classes=4)
    labels = torch.tensor([0, 1, 2, 3, 0, 2])
    with torch.no_grad():
        images = network(torch.randn(6, 3), labels)[0]
    found = preimage.invert(tmp_path / "g", images, labels=labels)
    assert found.loss.max() < 1e-8
    torch.testing.assert_close(found.reconstructions, images, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.walk(1, 2).images[0], images[1], atol=1e-3, rtol=0)
    assert found.rank().found.rank == 3
    wrong = preimage.invert(tmp_path / "g", images, labels=labels.flip(0))
    assert wrong.loss[1:5].min() > 1e-3
    with pytest.raises(InversionError, match="conditional on 4 classes: give labels"):
        preimage.invert(tmp_path / "g", images)
