import pytest
import torch

from preimage.errors import GeneratorError, PriorError
from preimage.latents.priors import Gaussian
from preimage.models.cards import CONFIG, PRIOR, WEIGHTS
from preimage.models.dcgan import Generator
from preimage.models.generator_folder import load_generator, load_prior, write_generator
from preimage.models.prior_folder import save_prior
from tiny import GLO_MODEL, MODEL


def test_a_saved_generator_makes_the_same_images(tiny_generator, folder):
    saved = write_generator(tiny_generator, folder, {"job": "test"})
    loaded, card = load_generator(folder)
    codes = torch.randn(3, 4)
    assert torch.equal(loaded(codes), tiny_generator(codes))
    assert card == saved
    assert not loaded.training
    assert folder.names() == [CONFIG, WEIGHTS]


def test_the_fingerprint_is_of_the_weights_not_of_their_history(tiny_generator, folder):
    one = write_generator(tiny_generator, folder / "a", {"images_seen": 1})
    two = write_generator(tiny_generator, folder / "b", {"images_seen": 2})
    assert one.fingerprint == two.fingerprint
    with torch.no_grad():
        changed = load_generator(folder / "a")[0]
        next(changed.parameters()).add_(1e-3)
    assert write_generator(changed, folder / "c", {}).fingerprint != one.fingerprint


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "pickle"])
def test_damaged_weights_are_refused(tiny_generator, folder, damage):
    write_generator(tiny_generator, folder, {})
    data = folder.read(WEIGHTS)
    worse = {"missing": None, "cut": data[:-10], "flipped": data[:-1] + b"\x00\x01", "pickle": b"\x80\x04."}[
        damage
    ]
    if worse is None:
        (folder.local / WEIGHTS).unlink()
    else:
        folder.write(WEIGHTS, worse)
    with pytest.raises(GeneratorError, match="SHA-256"):
        load_generator(folder)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"generator": {"latent_dim": -1}}', "\x00"])
def test_a_card_that_is_none_is_refused(folder, text):
    folder.write(CONFIG, text.encode())
    with pytest.raises(GeneratorError, match="does not describe a generator"):
        load_generator(folder)


def test_a_folder_without_a_card_is_refused(folder):
    with pytest.raises(GeneratorError, match="not a generator folder"):
        load_generator(folder)


def test_weights_of_another_shape_are_refused(tiny_generator, folder):
    write_generator(tiny_generator, folder, {})
    text = folder.read(CONFIG).decode().replace('"base_channels": 4', '"base_channels": 8')
    folder.write(CONFIG, text.encode())
    with pytest.raises(GeneratorError, match="does not fit"):
        load_generator(folder)


def test_a_fitted_prior_lies_beside_the_weights(folder):
    generator = Generator(GLO_MODEL)
    prior = Gaussian(torch.randn(6), torch.randn(6, 6), "ball")
    card = write_generator(generator, folder, {}, prior)
    loaded = load_prior(folder, card)
    assert folder.names() == [CONFIG, PRIOR, WEIGHTS]
    assert loaded.name == "gaussian-in-ball"
    drawn = (each.sample(4, torch.Generator().manual_seed(0)) for each in (prior, loaded))
    assert torch.equal(*drawn)
    fixed = write_generator(Generator(MODEL), folder / "fixed", {})
    assert load_prior(folder / "fixed", fixed).name == "normal"


@pytest.mark.parametrize("damage", ["missing", "cut", "another", "of another kind"])
def test_a_damaged_prior_is_refused(folder, damage):
    card = write_generator(Generator(GLO_MODEL), folder, {}, Gaussian(torch.randn(6), torch.randn(6, 6)))
    beside = folder / PRIOR
    if damage == "missing":
        beside.delete()
    elif damage == "cut":
        beside.write(WEIGHTS, beside.read(WEIGHTS)[:-10])
    elif damage == "another":
        save_prior(Gaussian(torch.randn(6), torch.eye(6)), beside, {})
    else:
        beside.write_json(CONFIG, beside.read_json(CONFIG) | {"kind": "oracle"})
    message = (
        r"is not a prior folder|is missing, trunc|is not the prior |a prior of kind 'oracle': no such kind"
    )
    with pytest.raises((GeneratorError, PriorError), match=message):
        load_prior(folder, card)
