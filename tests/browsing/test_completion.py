"""Completing images of which a part is erased."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from linear_subject import OfClasses, small, subject_of
from preimage.browsing import completion
from preimage.browsing.anchored import Searches
from preimage.browsing.completion import Erased, _engine, completions
from preimage.browsing.decoder import Decoder
from preimage.browsing.noise import Noise
from preimage.browsing.starts import most_different
from preimage.errors import GeneratorError, InversionError, PriorError
from preimage.inversion.engine import invert
from preimage.latents.fitted import Diagonal
from preimage.latents.priors import Gaussian, Normal, Uniform
from small_nets import Expanding, seeded


def picture(seed: int = 0) -> np.ndarray:
    return seeded(4, 4, 1, seed=seed, law=torch.rand).mul(255).byte().numpy()


def half() -> np.ndarray:
    mask = np.zeros((4, 4), bool)
    mask[2:] = True
    return mask


def last(found):
    *_, end = found
    return end


def test_of_a_linear_generator_completions_are_least_squares_where_pixels_determine_the_code():
    generator, image, mask = small(), picture(), half()
    found = last(completions(subject_of(generator), image, mask, 3, noise=0.0))
    target, seen = torch.from_numpy(image).double() / 127.5 - 1, ~mask.ravel()
    weight = generator.weight.detach().double()[seen]
    best = torch.linalg.lstsq(weight, target.flatten()[seen][:, None]).solution[:, 0]
    residual = (target.flatten()[seen] - weight @ best).square().mean()
    assert found.done
    # a search ends where its loss no longer falls by a hundredth
    assert np.allclose(found.errors, 127.5 * residual.sqrt(), rtol=0.005)
    assert np.allclose(found.codes, best, atol=5e-3)


def test_each_search_finds_its_starts_own_mode_of_a_linear_generators_posterior():
    """(A'A / noise + I)^-1 (A'y / noise + start)."""
    generator, mask, level = small(dim=12), half(), 0.05  # 8 pixels do not determine 12 components
    erased = Erased.of(picture(), mask)
    engine, _ = _engine(generator, Normal(12), erased, 0, 2)
    starts = seeded(2, 12)
    searches = Searches.begin(engine, starts, None, erased.image, erased.seen, level / erased.values)
    while not searches.done:
        searches.step()
    a = generator.weight.detach().double()[erased.seen.flatten()]
    y = erased.image.flatten()[erased.seen.flatten()].double()
    best = torch.linalg.solve(
        a.T @ a / level + torch.eye(12), (a.T @ y / level + starts.double()).T
    ).T  # fmt: skip
    assert torch.allclose(searches.batch.best_z.double(), best, atol=2e-3)


def test_completions_differ_where_the_pixels_decide_nothing_and_agree_where_they_are_seen():
    found = last(completions(subject_of(small(dim=12), 12), picture(), half(), 4, noise=1e-4))
    hidden, seen = found.images[:, half()], found.images[:, ~half()]
    assert seen.astype(float).std(0).mean() < 0.2 * hidden.astype(float).std(0).mean()
    assert len(np.unique(hidden, axis=0)) == 4


def test_a_slow_network_is_looked_at_after_each_step_and_completes_alike(monkeypatch):
    generator, image, mask = small(dim=12), picture(), half()
    usual = list(completions(subject_of(generator, 12), image, mask, 3))
    monkeypatch.setattr(completion, "PATIENCE", -1)
    slow = list(completions(subject_of(generator, 12), image, mask, 3))
    assert [each.step for each in slow[:4]] == [0, 1, 2, 3]
    assert [each.step for each in usual[:2]] == [0, 3]
    assert np.array_equal(slow[-1].images, usual[-1].images)


def test_with_nothing_erased_it_is_an_inversion():
    generator = Expanding()
    with torch.no_grad():
        image = ((generator(seeded(1, 3))[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    found = last(completions(subject_of(generator), image, np.zeros((8, 8), bool), 4, noise=0.0))
    target = (torch.from_numpy(image).float() / 127.5 - 1).permute(2, 0, 1)[None]
    inverted = invert(generator, target, prior=Normal(3))
    best = found.errors.argmin()
    assert np.allclose(found.codes[best], inverted.z[0], atol=1e-3)
    assert np.isclose((found.errors[best] / 127.5) ** 2, inverted.loss[0], rtol=0.05, atol=1e-7)


def test_it_yields_as_it_goes_and_can_be_cancelled_between_steps():
    found = completions(subject_of(Expanding()), np.zeros((8, 8, 1), np.uint8), np.eye(8, dtype=bool), 3)
    first, second = next(found), next(found)
    assert (first.step, second.step) == (0, 3)
    assert first.images.shape == (3, 8, 8, 1)
    assert second.errors.mean() < first.errors.mean()
    found.close()
    assert not list(found)


def test_threads_that_complete_and_decode_at_once_get_what_one_gets():
    subject, image, mask = subject_of(Expanding()), np.full((8, 8, 1), 200, np.uint8), np.eye(8, dtype=bool)
    decoder, codes = Decoder(subject), seeded(16, 3).numpy()

    def complete(seed):
        return last(completions(subject, image, mask, 2, seed)).codes

    alone, pictures = [complete(seed) for seed in range(3)], decoder.images(codes)
    with ThreadPoolExecutor(5) as pool:
        found = pool.map(complete, range(3))
        sensitive = pool.submit(decoder.sensitive, codes[0], 2)
        decoded = [pool.submit(decoder.images, codes) for _ in range(30)]
        assert all(np.array_equal(each.result(), pictures) for each in decoded)
        assert np.array_equal(sensitive.result().vectors, decoder.sensitive(codes[0], 2).vectors)
        assert all(np.array_equal(one, each) for one, each in zip(alone, found, strict=True))


def test_the_same_seed_gives_the_same_completions():
    of = subject_of(Expanding()), np.full((8, 8, 1), 200, np.uint8), np.eye(8, dtype=bool), 3
    one, again, other = (last(completions(*of, seed)).codes for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("image", "mask", "says"),
    [
        (picture(), np.ones((4, 4), bool), "all of the image is erased"),
        (picture(), np.zeros((4, 5), bool), "the mask is 4 x 5, but the image 4 x 4"),
        (picture().astype(float), half(), "uint8"),
        (np.zeros((5, 4, 1), np.uint8), np.zeros((5, 4), bool), "1 x 4 x 4"),
    ],
    ids=["nothing seen", "another mask", "floats", "another image"],
)
def test_what_does_not_fit_is_refused_before_any_step(image, mask, says):
    with pytest.raises(InversionError, match=says):
        completions(subject_of(small()), image, mask)


def test_without_a_generator_or_such_a_prior_it_says_so():
    with pytest.raises(GeneratorError, match="nothing can complete"):
        completions(subject_of(None), picture(), half())
    with pytest.raises(PriorError, match="no prior 'mine'"):
        completions(subject_of(small()), picture(), half(), prior="mine")


def test_a_conditional_generator_is_given_the_class_that_is_asked_for():
    image = np.full((4, 4, 1), 153, np.uint8)  # class 2
    found = last(completions(subject_of(OfClasses()), image, half(), 3, label=2))
    assert found.labels.tolist() == [2, 2, 2]
    assert found.errors.max() < 0.5
    free = last(completions(subject_of(OfClasses()), image, half(), 3))
    assert 2 in free.labels.tolist()


PRIORS = [
    Normal(3),
    Uniform(3),
    Gaussian(torch.ones(3), torch.tensor([[2.0, 0, 0], [1, 0.5, 0], [0, 0, 3]])),
    Diagonal(torch.ones(3), torch.tensor([1.0, 2, 0.5])),
]


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.name)
def test_noise_and_codes_are_there_and_back_the_same(prior):
    behind = Noise.of_prior(prior)
    drawn = prior.sample(200, torch.Generator().manual_seed(0))
    assert torch.allclose(behind.codes(behind.noise(drawn)), drawn, atol=1e-3)
    many = prior.sample(20_000, torch.Generator().manual_seed(1))
    noise = behind.noise(many).double()
    assert torch.allclose(torch.cov(noise.T), torch.eye(3).double(), atol=0.06)
    assert torch.allclose(noise.mean(0), torch.zeros(3).double(), atol=0.04)


def test_the_most_different_are_the_first_and_each_time_the_furthest():
    values = torch.tensor([[0.0], [1], [10], [5.2], [-1]])
    assert most_different(values, 3).tolist() == [0, 2, 3]
    assert most_different(values, 9).tolist() == [0, 2, 3, 1, 4]
