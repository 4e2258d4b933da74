"""The codes nearest to a code."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from code_stores import store_of
from preimage.browsing import neighbours
from preimage.browsing.neighbours import nearest, whitening_of
from preimage.latents.fitted import Diagonal
from preimage.latents.priors import Gaussian, Normal, Uniform
from preimage.storage.folder import Folder
from small_nets import seeded


def brute_force(codes, code, count):
    away = np.linalg.norm(codes.astype(np.float64) - code.astype(np.float64), axis=1)
    order = np.lexsort((np.arange(len(codes)), away))[:count]
    return order, away[order]


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 70), st.integers(1, 9))
def test_the_nearest_are_brute_forces_in_any_batches(seed, many, count, batch):
    codes = (seeded(many, 2, seed=seed) * 2).round()  # many are equally near
    code = np.zeros(2, np.float32)
    found = nearest(zip(torch.arange(many).split(batch), codes.split(batch), strict=True), code, count)
    ids, distances = brute_force(codes.numpy(), code, count)
    assert np.array_equal(found.ids, ids)
    assert np.allclose(found.distances, distances)


def test_a_stores_codes_are_streamed_without_the_images_that_diverged(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", 3)
    codes = seeded(20, 4)
    store = store_of(Folder.at(tmp_path), codes, lost=(0, 7))
    found = nearest(store, codes[7].numpy(), 5)
    order = brute_force(codes.numpy(), codes[7].numpy(), 7)[0]
    assert found.ids.tolist() == [each for each in order if each not in (0, 7)][:5]


def test_whitened_distances_are_mahalanobis():
    root = torch.tensor([[2.0, 0, 0], [1, 0.5, 0], [0, 0, 3]])
    prior, codes = Gaussian(torch.ones(3), root), seeded(30, 3)
    found = nearest([(torch.arange(30), codes)], np.zeros(3, np.float32), 30, whitening_of(prior))
    inverse = torch.linalg.inv((root @ root.T).double())
    exact = torch.einsum("nd,de,ne->n", codes.double(), inverse, codes.double()).sqrt()
    assert np.array_equal(found.ids, exact.argsort().numpy())
    assert np.allclose(found.distances, exact.sort().values)


def test_directions_in_which_a_prior_does_not_vary_do_not_count():
    prior = Diagonal(torch.zeros(3), torch.tensor([1.0, 0, 2]))
    whitening = whitening_of(Gaussian(prior.mean, torch.diag(prior.scale)))
    codes = torch.tensor([[1.0, 9, 0], [0, 0, 1.0]])
    found = nearest([(torch.arange(2), codes)], np.zeros(3, np.float32), 2, whitening)
    assert found.ids.tolist() == [1, 0]
    assert np.allclose(found.distances, [0.5, 1])


def test_fixed_priors_keep_the_order():
    codes = seeded(30, 4)
    for prior in (Normal(4), Uniform(4)):
        found = nearest([(torch.arange(30), codes)], np.zeros(4, np.float32), 30, whitening_of(prior))
        assert np.array_equal(found.ids, brute_force(codes.numpy(), np.zeros(4), 30)[0])
        assert np.allclose(found.distances * prior.std, codes.norm(dim=1).sort().values, atol=1e-6)
