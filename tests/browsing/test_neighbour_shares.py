"""Where neighbours in code are not neighbours in pixels."""

import numpy as np
import pytest
import torch

from browsed import draw
from preimage.browsing import neighbour_shares
from preimage.browsing.neighbour_shares import disagreement, nearest_others, pooled, unshared


def test_the_nearest_are_those_of_all_distances():
    x = draw(50, 3) + 100
    distances = torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist")
    distances.fill_diagonal_(torch.inf)
    assert torch.equal(nearest_others(x, 4), distances.topk(4, largest=False).indices)


def test_alike_spaces_agree_and_those_that_share_nothing_do_not():
    line = torch.arange(6.0)[:, None]
    assert unshared(line, 3 - 2 * line, 2).tolist() == [0] * 6
    pairs = torch.tensor([0.0, 1, 10, 11])[:, None]
    crossed = torch.tensor([0.0, 10, 1, 11])[:, None]
    assert unshared(pairs, crossed, 1).tolist() == [1] * 4
    assert unshared(line[:1], line[:1], 10).tolist() == [0]


@pytest.mark.parametrize("size", [(20, 24), (64, 96)])
def test_images_are_averaged_down(size):
    images = torch.randint(0, 256, (3, 2, *size), generator=torch.Generator().manual_seed(0)).byte()
    rows = pooled(images)
    assert rows.shape == (3, 2 * min(32, size[0]) * min(32, size[1]))
    assert torch.allclose(rows.mean(1), images.float().flatten(1).mean(1), atol=1e-2)


def test_of_many_images_a_sample_has_values(subject, monkeypatch):
    every = disagreement(subject, subject.rows.ids)
    assert ((every >= 0) & (every <= 1)).all()
    monkeypatch.setattr(neighbour_shares, "MOST", 20)
    some = disagreement(subject, subject.rows.ids)
    assert np.isfinite(some).sum() == 20
