"""Distances between classes and within: closed forms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.metrics.clusters import chance_ratio, cluster_ratio, tsne
from small_nets import seeded


def blobs(apart, count=60, dim=3):
    """Three classes on a line."""
    labels = torch.arange(3).repeat_interleave(count)
    return seeded(3 * count, dim) + apart * labels[:, None] * torch.eye(dim)[0], labels


def ratio(points, labels) -> float:
    """That of points that have one."""
    found = cluster_ratio(points, labels)
    assert found is not None
    return found


def test_it_is_the_mean_distance_of_centroids_over_that_of_points_to_their_own():
    points = torch.tensor([[0.0, 1], [0, -1], [3, 0], [5, 0], [0, 8], [0, 8], [9, 9]])
    labels = torch.tensor([7, 7, 2, 2, 0, 0, -1])  # the last has none, and does not count
    between = (4 + 8 + 80**0.5) / 3  # centroids (0, 0), (4, 0), (0, 8)
    assert cluster_ratio(points, labels) == pytest.approx(between / (4 / 6), rel=1e-12)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), apart=st.floats(0, 10)
)
def test_turning_scaling_moving_and_renaming_classes_change_nothing(seed, scale, shift, apart):
    points, labels = blobs(apart)
    turn = torch.linalg.qr(seeded(3, 3, seed=seed).double())[0]
    moved = scale * (points.double() @ turn + shift)
    names = torch.randperm(3, generator=torch.Generator().manual_seed(seed))
    assert cluster_ratio(moved, names[labels]) == pytest.approx(cluster_ratio(points, labels), rel=1e-6)


@pytest.mark.parametrize("counts", [[100] * 10, [10, 20, 40, 80, 160, 320]])
@pytest.mark.parametrize("dim", [2, 20])
def test_labels_that_say_nothing_give_the_ratio_of_chance_however_many_points_a_class_has(counts, dim):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    random = torch.Generator().manual_seed(dim)
    shape = torch.linspace(0.5, 3, dim)  # any covariance
    draws = [torch.randn(len(labels), dim, generator=random) * shape for _ in range(200)]
    mean = sum(ratio(each, labels) for each in draws) / len(draws)
    assert mean == pytest.approx(chance_ratio(labels), rel=0.02)


def test_chance_is_a_tenth_for_a_hundred_points_a_class_as_the_paper_prints_of_an_untrained_generator():
    labels = torch.arange(10).repeat(100)
    assert chance_ratio(labels) == pytest.approx((2 / 99) ** 0.5, rel=1e-12)
    assert f"{chance_ratio(labels):.1f}" == "0.1"


def test_the_further_classes_are_apart_the_larger_it_is():
    found = [ratio(*blobs(apart)) for apart in (0.0, 1.0, 2.0, 8.0)]
    assert found == sorted(found)
    assert found[0] < 0.3
    assert found[-1] == pytest.approx(
        (8 + 8 + 16) / 3 / (8 / torch.pi) ** 0.5, rel=0.1
    )  # E|x| of N(0, I) in 3-d


@pytest.mark.parametrize("labels", [[-1, -1, -1, -1], [4, 4, 4, -1], [0, 1, 2, 3]])
def test_without_two_classes_or_two_points_of_one_there_is_none(labels):
    points = seeded(4, 2)
    assert cluster_ratio(points, torch.tensor(labels)) is None
    assert chance_ratio(torch.tensor(labels)) is None


def test_points_that_are_their_centroids_have_no_ratio():
    assert cluster_ratio(torch.tensor([[0.0], [0.0], [1.0], [1.0]]), torch.tensor([0, 0, 1, 1])) is None


def test_a_map_keeps_classes_apart_and_is_the_same_every_time():
    codes, labels = blobs(30.0, count=12, dim=5)
    found = tsne(codes, seed=0)
    assert found.shape == (36, 2)
    assert found.dtype == torch.float64
    assert torch.equal(found, tsne(codes, seed=0))
    nearest = torch.cdist(found, found).fill_diagonal_(torch.inf).argmin(1)
    assert torch.equal(labels[nearest], labels)
