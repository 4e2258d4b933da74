"""What is browsed, by any name, and what is said of what is not there."""

import json
import shutil

import pytest
import torch

from browsed import COUNT, DIM, digits_store
from preimage.errors import PreimageError, SpecError
from preimage.latents.fitted import Diagonal
from preimage.latents.manifest import MANIFEST
from preimage.latents.schema import About, Codes
from preimage.latents.store import Store, StoreWriter
from preimage.library.browse import DRAWN, open_subject
from preimage.models.generator_folder import write_generator
from preimage.models.prior_folder import save_prior
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.formats import RUN
from stores import linear_generator


def make_run(root, name, job, **about):
    """A finished run without products, as its folder says."""
    run = RunFolder(root / "runs" / name)
    known = {"job": job, "name": job, "fingerprint": "f", "key": "k", "created": "2026-01-01"}
    run.folder.write_json("run.json", RUN.stamp() | known | about)
    run.finish(Outcome(job, job, name, "f", {}, run.folder.uri))
    return run


@pytest.fixture
def root(folder, digits):
    """Results with a generator's run, and one of its codes."""
    root = folder / "results"
    trained, inverted = make_run(root, "train-1", "train-gan"), make_run(root, "invert-1", "invert")
    digits_store(inverted.product("store"), digits, trained.product("generator"))
    return root


def opened(root, name="invert-1"):
    return open_subject(name, root.uri)


def test_a_run_is_browsed_with_all_that_belongs_to_it(root):
    subject = opened(root)
    assert (subject.name, subject.count, subject.missing) == ("invert-1", COUNT - 1, ())
    assert list(subject.priors) == ["normal"]
    assert subject.classes == tuple("0123456789")
    assert subject.reconstructions(subject.rows.ids[:2]).shape == (2, 16, 16, 1)


@pytest.mark.parametrize("name", ["folder", "product", "pipeline", "looked-at"])
def test_other_names_lead_to_the_same_store(root, name):
    inverted = root / "runs" / "invert-1"
    make_run(root, "pipe-1", "pipeline", steps={"train": "train-1", "codes": "invert-1"})
    used = {"store": {"product": "store", "address": (inverted / "store").uri}}
    make_run(root, "pag-1", "pag", inputs=used)
    names = {
        "folder": inverted.uri,
        "product": (inverted / "store").uri,
        "pipeline": "pipe-1",
        "looked-at": "pag-1",
    }
    subject = opened(root, names[name])
    assert subject.fingerprint == opened(root).fingerprint
    assert subject.generator is not None
    assert subject.missing == ()


def test_a_generator_alone_is_browsed_by_codes_of_its_prior(root):
    subject = opened(root, "train-1")
    assert subject.store is None
    assert subject.count == len(set(subject.rows.ids.tolist())) == DRAWN
    assert "No codes were found yet" in subject.notes[0]
    again = opened(root, (root / "runs" / "train-1" / "generator").uri)
    assert torch.equal(again.codes_of(again.rows.ids).z, subject.codes_of(subject.rows.ids).z)
    assert subject.reconstructions(subject.rows.ids[:2]).shape == (2, 16, 16, 1)


def test_priors_fitted_to_the_store_or_to_codes_of_its_generator_are_there(root):
    subject = opened(root)
    prior = Diagonal(torch.zeros(DIM), torch.ones(DIM))
    for name, about in {
        "fit-1": {"store": subject.fingerprint},
        "fit-2": {"store": "another", "generator": subject.card.fingerprint},
        "fit-3": {"store": "another", "generator": "another"},
    }.items():
        save_prior(prior, make_run(root, name, "fit-prior").product("prior"), about)
    damaged = make_run(root, "fit-4", "fit-prior").product("prior")
    save_prior(prior, damaged, {"store": subject.fingerprint})
    damaged.write("weights.safetensors", b"")
    found = opened(root)
    assert list(found.priors) == ["normal", "fit-1", "fit-2"]
    assert [each for each in found.missing if "fit-4" in each]


def test_a_moved_generator_is_found_under_the_results_and_a_lost_one_is_said(root):
    trained = root / "runs" / "train-1" / "generator"
    (root / "generators").local.mkdir()
    moved = (root / "generators" / "mine").local
    shutil.move(trained.local, moved)
    assert opened(root).generator is not None
    shutil.rmtree(moved)
    subject = opened(root)
    assert (subject.generator, subject.card) == (None, None)
    assert list(subject.priors) == ["normal"]
    assert "The generator of these codes is not here" in subject.missing[0]
    assert trained.uri in subject.missing[0]
    assert subject.pixels is not None


def test_a_generator_that_cannot_be_read_is_said_to_be(root):
    card = (root / "runs" / "train-1" / "generator").local / "config.json"
    card.write_text(card.read_text()[:-20])
    subject = opened(root)
    assert subject.generator is None
    assert [f"{card.parent} cannot be read" in each for each in subject.missing] == [True, False]


def test_another_generator_in_its_place_is_not_taken_for_it(root):
    write_generator(linear_generator(DIM, seed=9), root / "runs" / "train-1" / "generator", {})
    assert opened(root).generator is None


def test_a_damaged_generator_leaves_its_card(root):
    (root / "runs" / "train-1" / "generator").write("weights.safetensors", b"")
    subject = opened(root)
    assert subject.generator is None
    assert subject.card is not None
    assert "cannot be run" in subject.missing[0]


def test_images_that_moved_are_found_by_content_and_lost_ones_are_said(root, digits):
    about = opened(root).store.about
    elsewhere = about.dataset.model_copy(update={"path": (root / "gone").uri})
    write_again(root / "runs" / "invert-1" / "store", elsewhere)
    subject = opened(root)
    assert subject.pixels is None
    assert "The images are not here, so the originals are not shown" in subject.missing[0]
    (root / "datasets").local.mkdir()
    shutil.copytree(digits.folder.local, (root / "datasets" / "copy").local)
    assert opened(root).pixels is not None


def write_again(folder, dataset):
    """Write the store again, whose images are at another address."""
    old = Store.open(folder)
    codes, about = old.head(old.count), old.about.model_copy(update={"dataset": dataset})
    folder.delete()
    writer = StoreWriter(folder, about, parts=1, count=len(codes))
    writer.write(0, codes)
    writer.finish()


def test_an_unfinished_store_shows_the_codes_that_it_has(root):
    run = RunFolder(root / "runs" / "invert-1")
    store = run.product("store")
    for name in (MANIFEST, "part-00001.parquet", "_part-00001.json"):
        store.remove(name)
    run.folder.remove("outcome.json")
    subject = opened(root)
    assert subject.store.count == COUNT // 2
    assert subject.count == COUNT // 2 - 1
    assert "The run is not finished" in subject.missing[0]
    assert f"{COUNT // 2} codes are shown so far" in subject.missing[1]
    store.remove("part-00000.parquet")
    with pytest.raises(SpecError, match="nothing to browse.*not finished"):
        opened(root)


def test_a_store_of_a_newer_format_is_said_to_be(root):
    store = root / "runs" / "invert-1" / "store"
    manifest = json.loads(store.read(MANIFEST))
    manifest["about"]["format"] = 99
    store.write(MANIFEST, json.dumps(manifest).encode())
    with pytest.raises(SpecError, match="nothing to browse.*The codes cannot be read: .*99"):
        opened(root)
    used = {"generator": {"product": "generator", "address": (root / "runs" / "train-1" / "generator").uri}}
    make_run(root, "invert-1", "invert", inputs=used)
    subject = opened(root)
    assert subject.store is None
    assert subject.count == DRAWN
    assert [each.split(":")[0].split(str(DRAWN))[0] for each in subject.missing] == [
        "The codes cannot be read",
        "In their place are ",
    ]


def test_imported_codes_without_generator_images_or_losses_are_browsed(folder):
    about = About.model_validate(
        {
            "generator": None,
            "dataset": None,
            "latent_dim": 3,
            "prior": None,
            "imported": {"file": "a.npy", "sha256": "0", "column": None, "id": None, "label": None},
        }
    )
    z = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    codes = Codes.without_search(torch.arange(20), torch.full((20,), -1).int(), z)
    writer = StoreWriter(folder / "results" / "stores" / "mine", about, parts=1, count=20)
    writer.write(0, codes)
    writer.finish()
    subject = open_subject("mine", (folder / "results").uri)
    assert (subject.generator, subject.pixels, subject.priors) == (None, None, {})
    assert not subject.rows.labelled
    assert subject.rows.losses is None
    assert [each.split(",")[0].split(":")[0] for each in subject.missing] == [
        "The codes are of no known generator",
        "It is not known which images the codes stand for",
    ]
    assert subject.notes == ("No search found these codes, so they have no losses.",)


@pytest.mark.parametrize("name", ["nothing", "/nowhere/at/all", ""])
def test_a_name_that_leads_nowhere_is_refused(root, name):
    with pytest.raises(PreimageError):
        open_subject(name, root.uri)
    make_run(root, "score-1", "evaluate")
    with pytest.raises(SpecError, match="nothing to browse"):
        opened(root, "score-1")
