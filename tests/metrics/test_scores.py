import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric

from preimage.errors import PreimageError
from preimage.latents.statistics import Moments
from preimage.metrics.scores import class_entropy, class_histogram, frechet_distance, inception_score


def numbers(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moments(features):
    return Moments.empty(features.shape[1]).update(features)


def test_images_of_no_class_score_one():
    found = inception_score(torch.full((50, 7), 3.0), splits=5)
    assert (found.mean, found.std) == pytest.approx((1, 0), abs=1e-12)
    assert (found.splits, found.images_per_split) == (5, 10)


def test_images_certain_of_each_class_score_as_many_as_there_are():
    found = inception_score(1000 * torch.eye(8).repeat(4, 1), splits=4)
    assert found.mean == pytest.approx(8, rel=1e-12)


def test_one_class_alone_scores_one():
    assert inception_score(1000 * torch.eye(8)[:1].repeat(6, 1), splits=1).mean == pytest.approx(1)


@pytest.mark.parametrize("chance", [0.5, 0.7, 0.99])
def test_two_classes_score_what_their_entropy_says(chance):
    """p(y) is even, so the score is 2 exp(-H(chance))."""
    logits = torch.tensor([[chance, 1 - chance], [1 - chance, chance]], dtype=torch.float64).log()
    entropy = -chance * math.log(chance) - (1 - chance) * math.log(1 - chance)
    assert inception_score(logits, splits=1).mean == pytest.approx(2 * math.exp(-entropy), rel=1e-12)


def test_splits_are_stretches_and_their_spread_divides_by_their_number():
    """The first split has both classes, the second only one: scores 2 and 1."""
    logits = 1000 * torch.eye(2)[[0, 1, 0, 0]]
    found = inception_score(logits, splits=2)
    assert (found.mean, found.std) == pytest.approx((1.5, 0.5), rel=1e-12)


@pytest.mark.parametrize("scale", [1e4, 1e30, 3e38])
def test_logits_that_leave_no_chance_are_numbers_all_the_same(scale):
    logits = torch.zeros(6, 3)
    logits[torch.arange(6), torch.arange(6) % 3] = scale
    logits[torch.arange(6), (torch.arange(6) + 1) % 3] = -scale
    assert inception_score(logits, splits=1).mean == pytest.approx(3, rel=1e-12)


@pytest.mark.parametrize(("count", "splits"), [(60, 1), (60, 10), (61, 10), (103, 7)])
def test_the_score_is_the_reference_librarys(count, splits):
    logits = numbers(count, 12, scale=3.0).float()
    expected = isc_features_to_metric(logits, splits=splits, shuffle=False)
    found = inception_score(logits, splits)
    assert found.mean == pytest.approx(expected["inception_score_mean"], rel=1e-12)
    assert found.std == pytest.approx(expected["inception_score_std"], rel=1e-9, abs=1e-12)
    assert found.images_per_split == count // splits


def test_what_has_no_score_is_refused():
    with pytest.raises(PreimageError, match="splits must be 1 to 9, the number of images, but got 10"):
        inception_score(torch.zeros(9, 3))
    for wrong in (math.nan, math.inf):
        with pytest.raises(PreimageError, match="logits must be finite"):
            inception_score(torch.tensor([[0.0, wrong], [0.0, 1.0]]), splits=1)


@pytest.mark.parametrize("count", [400, 20])
def test_the_distance_is_the_reference_librarys(count):
    """Also of fewer images than features, where both covariances are singular."""
    mix = numbers(30, 30, seed=2)
    a, b = numbers(count, 30, seed=3) @ mix, 0.7 * numbers(count, 30, seed=4) @ mix + 0.3
    given = (fid_features_to_statistics(each) for each in (a, b))
    expected = fid_statistics_to_metric(*given, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(moments(a), moments(b)) == pytest.approx(expected, rel=1e-6)


def gaussian(mean, covariance, count=101):
    """Moments that have exactly this mean (d,) and covariance (d, d)."""
    gram = (count - 1) * covariance + count * torch.outer(mean, mean)
    return Moments(count, count * mean, gram)


def test_gaussians_whose_covariances_commute_are_as_far_as_their_variances_say():
    """|m - n|^2 + sum (sqrt a - sqrt b)^2 (Dowson and Landau 1982)."""
    axes = torch.linalg.qr(numbers(5, 5)).Q
    a, b = torch.tensor([4.0, 1, 9, 0, 0.25]).double(), torch.tensor([1.0, 1, 4, 9, 0]).double()
    mean, other = numbers(5, seed=1), numbers(5, seed=2)
    found = frechet_distance(gaussian(mean, axes * a @ axes.T), gaussian(other, axes * b @ axes.T))
    expected = (mean - other).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert found == pytest.approx(expected.item(), rel=1e-10)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), count=st.integers(2, 30))
def test_a_set_is_at_no_distance_from_itself_and_as_far_from_another_as_that_from_it(seed, count):
    a, b = moments(numbers(count, 6, seed=seed)), moments(numbers(12, 6, seed=seed + 1, scale=2.0))
    assert frechet_distance(a, a) < 1e-12
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert frechet_distance(a, b) > 0


def test_features_that_cannot_be_compared_are_refused():
    a = moments(numbers(5, 3))
    with pytest.raises(PreimageError, match="features of 3 and 4 dimensions"):
        frechet_distance(a, moments(numbers(5, 4)))
    with pytest.raises(PreimageError, match="features must be finite"):
        frechet_distance(a, moments(torch.full((5, 3), math.inf)))
    with pytest.raises(PreimageError, match="at least two"):
        frechet_distance(a, moments(numbers(1, 3)))


def test_classes_are_counted_and_their_entropy_is_in_nats():
    histogram = class_histogram(torch.eye(5)[[0, 3, 3, 1]])
    assert histogram.tolist() == [1, 1, 0, 2, 0]
    assert class_entropy(histogram) == pytest.approx(-(0.5 * math.log(0.25) + 0.5 * math.log(0.5)))
    assert class_entropy(torch.tensor([3, 3, 3])) == pytest.approx(math.log(3))
    assert class_entropy(torch.tensor([0, 9])) == 0
