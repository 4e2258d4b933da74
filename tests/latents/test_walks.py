"""Walks among codes against closed forms, and what is refused."""

from dataclasses import replace

import pytest
import torch

from preimage.errors import PreimageError, StoreError
from preimage.latents.priors import support_of
from preimage.latents.store import StoreWriter
from preimage.latents.walks import (
    arithmetic,
    average,
    blend,
    first_ids,
    fit_gaussian,
    interpolate,
)
from stores import linear_generator


@pytest.fixture
def labelled(tmp_path, about, make_codes):
    """25 images of ten classes in two parts, out of order; the search for image 14 diverged."""
    writer = StoreWriter(tmp_path / "labelled", about, parts=2, count=25)
    order = torch.randperm(25, generator=torch.Generator().manual_seed(0)).tolist()
    for index, ids in enumerate((order[:9], order[9:])):
        codes = make_codes(ids)
        writer.write(index, replace(codes, loss=torch.where(codes.image_id == 14, torch.nan, codes.loss)))
    return writer.finish()


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_gaussian_has_the_moments_of_the_codes_that_did_not_diverge(diverged, make_codes):
    sound = make_codes([0, 1, 2, 4, 5, 6, 7, 9]).z.double()
    prior = fit_gaussian(diverged)
    assert (prior.support, prior.latent_dim) == ("anywhere", 3)
    assert torch.allclose(prior.mean.double(), sound.mean(0), atol=1e-6)
    assert torch.allclose((prior.root @ prior.root.T).double(), sound.T.cov(), atol=1e-6)
    drawn = prior.sample(40_000, torch.Generator().manual_seed(1)).double()
    assert torch.allclose(drawn.mean(0), sound.mean(0), atol=4 * 0.8 / 200)
    assert torch.allclose(drawn.T.cov(), sound.T.cov(), atol=4 * 0.7 / 200)


def test_the_gaussian_of_a_generator_on_the_ball_stays_on_it(tmp_path, about, make_codes):
    writer = StoreWriter(tmp_path / "ball", about.model_copy(update={"prior": "gaussian-in-ball"}), 1, 10)
    writer.write(0, make_codes(list(range(10))))
    store = writer.finish()
    assert support_of(store.about.prior) == fit_gaussian(store).support == "ball"
    norms = fit_gaussian(store).sample(1000, torch.Generator().manual_seed(0)).norm(dim=1)
    assert norms.max() <= 1 + 1e-6
    assert (norms > 1 - 1e-6).any()


def test_a_gaussian_needs_two_codes(tmp_path, about, make_codes):
    writer = StoreWriter(tmp_path / "one", about, 1, 1)
    writer.write(0, make_codes([0]))
    with pytest.raises(PreimageError, match="at least two"):
        fit_gaussian(writer.finish())


def test_codes_come_in_the_order_they_are_asked_for(labelled, make_codes):
    ids = [24, 0, 7, 24]
    assert torch.equal(labelled.codes_of(ids), make_codes([24, 0, 7]).z[[0, 1, 2, 0]])
    assert labelled.codes_of([]).shape == (0, 3)


def test_the_first_images_are_those_that_the_store_has_first_and_that_did_not_diverge(labelled):
    order = torch.randperm(25, generator=torch.Generator().manual_seed(0)).tolist()
    order.remove(14)
    assert first_ids(labelled, 12) == order[:12]
    assert first_ids(labelled, 100) == order
    fours = first_ids(labelled, 2, lambda codes: codes.label == 4)
    assert fours == [each for each in order if each % 10 == 4]


def test_an_average_is_that_of_the_chosen_images_or_of_the_first_of_them(labelled, make_codes):
    for label, ids in ((4, [4, 24]), (3, [3, 13, 23])):
        mean = average(labelled, lambda codes, label=label: codes.label == label)
        assert torch.allclose(mean, make_codes(ids).z.mean(0), atol=1e-6)
    first = first_ids(labelled, 12)
    assert torch.allclose(average(labelled, most=12), make_codes(first).z.mean(0), atol=1e-6)


def test_codes_that_are_not_there_are_named(labelled, tmp_path, about, make_codes):
    with pytest.raises(StoreError, match=r"no code of image 14, 99, .* diverged: choose among the 25"):
        labelled.codes_of([3, 99, 14])
    with pytest.raises(StoreError, match=r"no code of image 100, .*109, \.\.\.,"):
        labelled.codes_of(range(100, 120))
    with pytest.raises(StoreError, match="no code of such an image: its 25 images have the labels 0, 1, 2"):
        average(labelled, lambda codes: codes.label == 12)
    writer = StoreWriter(tmp_path / "plain", about, 1, 4)
    codes = make_codes([0, 1, 2, 3])
    writer.write(0, replace(codes, label=torch.full_like(codes.label, -1)))
    with pytest.raises(StoreError, match="have no labels"):
        average(writer.finish(), lambda codes: codes.label == 0)


def test_a_linear_generators_interpolations_are_blended_images():
    generator, a, b = linear_generator(5, seed=0), seeded(3, 5), seeded(3, 5, seed=1)
    codes = interpolate(a, b, 7)
    assert codes.shape == (3, 7, 5)
    with torch.no_grad():
        made = generator(codes.flatten(0, 1)).unflatten(0, (3, 7))
        blended = blend(generator(a), generator(b), 7)
    assert torch.allclose(made, blended, atol=1e-6)
    assert torch.equal(codes[:, 0], a)
    assert torch.equal(codes[:, -1], b)
    assert torch.allclose(codes.diff(dim=1), (b - a)[:, None].expand(-1, 6, -1) / 6, atol=1e-6)


def test_lines_and_sums_stay_on_the_ball_where_codes_are():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 0.4]])
    line = interpolate(a, b, 4, "ball")[0]
    assert torch.allclose(line[0], torch.tensor([1.0, 0.0]))
    assert torch.allclose(line[-1], b[0])
    assert line.norm(dim=1).max() <= 1 + 1e-6
    assert interpolate(a, b, 4)[0, 0].tolist() == [3, 0]
    inside = arithmetic([torch.tensor([0.5, 0.0])], [torch.tensor([0.0, 0.5])], "ball")
    assert inside.tolist() == [0.5, -0.5]
    outside = arithmetic([torch.tensor([3.0, 0.0])], [torch.tensor([0.0, 4.0])], "ball")
    assert torch.allclose(outside, torch.tensor([0.6, -0.8]))


def test_arithmetic_is_a_signed_sum():
    a, b, c, d = seeded(4, 6)
    assert torch.allclose(arithmetic([a, c], [b, d]), a - b + c - d, atol=1e-6)
    assert torch.equal(arithmetic([a], []), a)
