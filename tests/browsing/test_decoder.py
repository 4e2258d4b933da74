"""Codes to pictures."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from code_stores import store_of
from linear_subject import OfClasses, small, subject_of
from preimage.browsing import decoder
from preimage.browsing.decoder import Decoder
from preimage.data.pixels import to_uint8
from preimage.errors import GeneratorError
from preimage.latents.schema import About, Codes, GeneratorInfo
from preimage.latents.store import StoreWriter
from preimage.storage.folder import Folder
from small_nets import seeded


def test_pictures_are_the_generators_images(monkeypatch):
    monkeypatch.setattr(decoder, "BATCH", 4)
    generator, codes = small(), seeded(11, 3)
    found = Decoder(subject_of(generator)).images(codes.numpy())
    with torch.no_grad():
        expected = to_uint8(generator(codes)).permute(0, 2, 3, 1)
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)


def test_codes_may_come_in_the_shape_in_which_the_network_takes_them():
    codes = seeded(5, 4).numpy()
    decoded = Decoder(subject_of(small(dim=4), 4))
    assert np.array_equal(decoded.images(codes.reshape(5, 1, 2, 2)), decoded.images(codes))


def test_no_codes_are_no_pictures():
    assert Decoder(subject_of(small())).images(np.zeros((0, 3), np.float32)).shape == (0, 4, 4, 1)


def test_several_threads_get_what_one_gets():
    decoded, codes = Decoder(subject_of(small())), seeded(40, 3).numpy()
    alone = decoded.images(codes)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(decoded.images, [codes] * 20):
            assert np.array_equal(found, alone)


def test_decoding_leaves_the_number_of_threads_as_it_was(monkeypatch):
    before = torch.get_num_threads()
    Decoder(subject_of(small())).images(seeded(2, 3).numpy())
    assert torch.get_num_threads() == before


def test_without_a_generator_it_says_why():
    with pytest.raises(GeneratorError, match=r"no generator, so codes cannot be decoded. The generator was"):
        Decoder(subject_of(None))


def labelled(tmp_path, codes, labels):
    about = About(generator=GeneratorInfo(fingerprint="g"), dataset=None, latent_dim=3, prior="normal")
    none, ids = torch.zeros(len(codes), dtype=torch.int32), torch.arange(len(codes)) + 100
    rows = Codes(ids, labels.int(), codes, torch.zeros(len(codes)), none, none, none.bool())
    writer = StoreWriter(Folder.at(tmp_path), about, parts=1, count=len(codes))
    writer.write(0, rows)
    return writer.finish()


def test_a_conditional_generator_gets_the_given_class_or_that_of_the_nearest_code(tmp_path):
    codes, labels = seeded(6, 3), torch.tensor([4, 3, -1, 1, 0, 2])
    decoded = Decoder(subject_of(OfClasses(), store=labelled(tmp_path, codes, labels)))
    known = labels >= 0
    brightness = to_uint8(labels / 10)
    assert np.array_equal(decoded.images(codes.numpy())[known, 0, 0, 0], brightness[known])
    given = decoded.images(codes.numpy(), np.full(6, 2))
    assert (given == int(to_uint8(torch.tensor(0.2)))).all()


def test_without_known_classes_it_is_the_first():
    assert Decoder(subject_of(OfClasses())).labels_near(np.zeros((3, 3), np.float32)).tolist() == [0, 0, 0]


def test_principal_directions_are_the_codes_and_without_them_the_priors(tmp_path):
    codes = seeded(50, 3) * torch.tensor([1.0, 5, 2])
    with_store = Decoder(subject_of(small(), store=store_of(Folder.at(tmp_path), codes))).principal(2)
    assert np.abs(with_store.vectors).argmax(1).tolist() == [1, 2]
    assert np.allclose(
        with_store.scales[0], np.sqrt(np.linalg.eigvalsh(np.cov(codes.T.numpy()))[-1]), rtol=1e-5
    )
    assert np.array_equal(Decoder(subject_of(small())).principal(2).vectors, np.eye(3)[:2])


def test_sensitive_directions_are_the_generators():
    generator = small()
    found = Decoder(subject_of(generator)).sensitive(np.ones(3, np.float32), 2)
    values = torch.linalg.svdvals(generator.weight.detach())
    assert np.allclose(found.scales, values[:2], rtol=1e-5)
