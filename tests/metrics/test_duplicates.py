import pytest
import torch

from preimage.errors import PreimageError
from preimage.metrics import duplicates
from preimage.metrics.duplicates import (
    closest_pairs,
    near_duplicate_share,
    nearest,
    nearest_distances,
    threshold,
    thumbnails,
)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_on_a_line_the_nearest_is_the_neighbour():
    found = nearest(torch.tensor([[0.0], [3.0], [4.0], [9.0]]))
    assert found.indices.tolist() == [1, 2, 1, 2]
    assert found.distances.tolist() == [3, 1, 1, 5]


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_distances_are_all_pairs_distances_however_memory_is_cut(monkeypatch, block):
    monkeypatch.setattr(duplicates, "BLOCK", block)
    vectors = numbers(70, 5)
    expected = torch.cdist(vectors.double(), vectors.double()).fill_diagonal_(torch.inf).min(1)
    found = nearest(vectors)
    assert torch.equal(found.indices, expected.indices)
    torch.testing.assert_close(found.distances, expected.values)


def test_copies_far_from_the_origin_are_at_no_distance():
    vectors = 1e4 + numbers(50, 8)
    distances = nearest_distances(torch.cat([vectors, vectors[:1]]))
    assert (distances == 0).nonzero().flatten().tolist() == [0, 50]


def test_real_images_have_the_share_that_the_threshold_says():
    real = nearest_distances(numbers(500, 4))
    assert near_duplicate_share(real, real) == pytest.approx(0.01, abs=1.5 / 500)
    assert near_duplicate_share(real, real, fraction=0.2) == pytest.approx(0.2, abs=1.5 / 500)
    assert threshold(real, 0.2) == real.sort().values[100]


def test_a_set_that_repeats_itself_is_seen_and_another_of_the_same_kind_is_not():
    real, healthy = nearest_distances(numbers(500, 4)), nearest_distances(numbers(500, 4, seed=1))
    few = numbers(50, 4, seed=2)[torch.arange(500) % 50] + 1e-3 * numbers(500, 4, seed=3)
    assert near_duplicate_share(healthy, real) < 0.04
    assert near_duplicate_share(nearest_distances(few), real) == 1
    half = torch.cat([few[:250], numbers(250, 4, seed=4)])
    assert near_duplicate_share(nearest_distances(half), real) == pytest.approx(0.5, abs=0.04)


def test_sets_of_different_sizes_and_single_images_are_refused():
    with pytest.raises(PreimageError, match="3 samples and of 4 real images"):
        near_duplicate_share(torch.ones(3), torch.ones(4))
    with pytest.raises(PreimageError, match="need at least two images but got 1"):
        nearest(torch.ones(1, 3))


def test_the_closest_pairs_come_first_and_hold_an_image_once():
    found = nearest(torch.tensor([[0.0], [3.0], [4.0], [9.0], [11.0], [4.5]]))  # 3.0's own nearest is taken
    assert closest_pairs(found, 2) == [(2, 5), (3, 4)]
    assert closest_pairs(found, 9) == [(2, 5), (3, 4), (0, 1)]


def test_thumbnails_are_averages_in_eight_by_eight_squares():
    pixels = torch.arange(2 * 3 * 16 * 16).reshape(2, 3, 16, 16).remainder(256).to(torch.uint8)
    found = thumbnails(pixels)
    assert found.shape == (2, 3 * 64)
    assert found[1, 64].item() == pytest.approx(pixels[1, 1, :2, :2].float().mean().item() / 127.5 - 1)
    noisy = (pixels.int() + torch.tensor([[3, -3] * 8, [-3, 3] * 8] * 8)).clamp(0, 255).to(torch.uint8)
    assert (thumbnails(noisy) - found).abs().max() < (noisy.int() - pixels).abs().max() / 127.5 / 2
