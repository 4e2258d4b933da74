"""Distances between classes and within: closed forms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.metrics.clusters import chance_ratios, class_ratios, tsne
from small_nets import seeded


def blobs(apart, count=60, dim=3):
    """Three classes on a line."""
    labels = torch.arange(3).repeat_interleave(count)
    return seeded(3 * count, dim) + apart * labels[:, None] * torch.eye(dim)[0], labels


def ratios(points, labels) -> tuple[float, float]:
    """Those of points that have them: scatter, centroid."""
    found = class_ratios(points, labels)
    assert found is not None
    return found


def test_they_are_the_traces_of_the_scatter_matrices_and_the_distances_of_centroids():
    points = torch.tensor([[0.0, 1], [0, -1], [3, 0], [5, 0], [0, 8], [0, 8], [9, 9]])
    labels = torch.tensor([7, 7, 2, 2, 0, 0, -1])  # the last has none, and does not count
    centroids = (4 + 8 + 80**0.5) / 3  # of (0, 0), (4, 0), (0, 8)
    scatter = 2 * ((16 + 64) / 9 + (64 + 64) / 9 + (16 + 256) / 9)  # about (4/3, 8/3), two points each
    assert ratios(points, labels) == pytest.approx((scatter / 4, centroids / (4 / 6)), rel=1e-12)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), apart=st.floats(0, 10)
)
def test_turning_scaling_moving_and_renaming_classes_change_nothing(seed, scale, shift, apart):
    points, labels = blobs(apart)
    turn = torch.linalg.qr(seeded(3, 3, seed=seed).double())[0]
    moved = scale * (points.double() @ turn + shift)
    names = torch.randperm(3, generator=torch.Generator().manual_seed(seed))
    assert class_ratios(moved, names[labels]) == pytest.approx(ratios(points, labels), rel=1e-6)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), classes=st.integers(2, 6))
def test_the_scatter_between_and_within_is_all_there_is(seed, classes):
    points = seeded(40, 3, seed=seed).double()
    labels = torch.arange(40) % classes
    within = sum((points[labels == k] - points[labels == k].mean(0)).square().sum() for k in range(classes))
    total = (points - points.mean(0)).square().sum()
    assert ratios(points, labels)[0] == pytest.approx((total / within - 1).item(), rel=1e-9)


@pytest.mark.parametrize("counts", [[100] * 10, [10, 20, 40, 80, 160, 320]])
@pytest.mark.parametrize("dim", [2, 20])
def test_labels_that_say_nothing_give_the_ratios_of_chance_however_many_points_a_class_has(counts, dim):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    random = torch.Generator().manual_seed(dim)
    shape = torch.linspace(0.5, 3, dim)  # any covariance
    draws = [torch.randn(len(labels), dim, generator=random) * shape for _ in range(200)]
    scatter, centroid = torch.tensor([ratios(each, labels) for each in draws]).mean(0).tolist()
    chance = chance_ratios(labels)
    assert chance
    assert scatter == pytest.approx(chance.scatter, rel=0.1)
    assert centroid == pytest.approx(chance.centroid, rel=0.02)


def test_chance_for_a_hundred_points_a_class():
    assert chance_ratios(torch.arange(10).repeat(100)) == pytest.approx((9 / 990, (2 / 99) ** 0.5), rel=1e-12)


def test_the_further_classes_are_apart_the_larger_they_are():
    found = [ratios(*blobs(apart)) for apart in (0.0, 1.0, 2.0, 8.0)]
    assert found == sorted(found)
    assert [each[1] for each in found] == sorted(each[1] for each in found)
    assert max(found[0]) < 0.3
    assert found[-1][0] == pytest.approx(8**2 * (2 / 3) / 3, rel=0.1)  # variance 3 of N(0, I) in 3-d
    assert found[-1][1] == pytest.approx((8 + 8 + 16) / 3 / (8 / torch.pi) ** 0.5, rel=0.1)  # E|x|


@pytest.mark.parametrize("labels", [[-1, -1, -1, -1], [4, 4, 4, -1], [0, 1, 2, 3]])
def test_without_two_classes_or_two_points_of_one_there_are_none(labels):
    points = seeded(4, 2)
    assert class_ratios(points, torch.tensor(labels)) is None
    assert chance_ratios(torch.tensor(labels)) is None


def test_points_that_are_their_centroids_have_no_ratios():
    assert class_ratios(torch.tensor([[0.0], [0.0], [1.0], [1.0]]), torch.tensor([0, 0, 1, 1])) is None


def test_a_map_keeps_classes_apart_and_is_the_same_every_time():
    codes, labels = blobs(30.0, count=12, dim=5)
    found = tsne(codes, seed=0)
    assert found.shape == (36, 2)
    assert found.dtype == torch.float64
    assert torch.equal(found, tsne(codes, seed=0))
    nearest = torch.cdist(found, found).fill_diagonal_(torch.inf).argmin(1)
    assert torch.equal(labels[nearest], labels)
