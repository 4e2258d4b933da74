"""How far samples are from codes: closed forms, and plain float64."""

import pytest
import torch

from preimage.metrics import disagreement
from preimage.metrics.disagreement import distances
from small_nets import seeded


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_distances_are_those_of_all_pairs_however_the_codes_stream_by(rows, monkeypatch):
    monkeypatch.setattr(disagreement, "CHUNK", 4)
    samples, codes = seeded(9, 3), seeded(50, 3, seed=1) + 2
    every = (samples.double()[:, None] - codes.double()).square().sum(2)
    nearest = distances(samples, codes.split(rows), "nearest")
    assert torch.allclose(nearest, every.amin(1).sqrt(), rtol=1e-12)
    mean = distances(samples, codes.split(rows), "mean")
    assert torch.allclose(mean, every.mean(1).sqrt(), rtol=1e-12)
    assert (mean >= nearest).all()


def test_the_mean_orders_samples_as_the_distance_from_the_codes_mean_does():
    samples, codes = seeded(40, 3), seeded(50, 3, seed=1) + 2
    found = distances(samples, [codes], "mean").square() - (samples - codes.mean(0)).double().square().sum(1)
    variance = codes.double().var(0, correction=0).sum()
    assert torch.allclose(found, variance.expand(40), rtol=1e-5)


def test_only_the_nearest_sees_a_gap_between_codes():
    """Codes on both ends of a line: the sample in the middle is far from all, and nearest to their mean."""
    codes = torch.tensor([[-5.0, 0.0], [5.0, 0.0]])
    samples = torch.tensor([[0.0, 0.0], [5.0, 0.5]])
    assert distances(samples, [codes], "nearest").tolist() == [5.0, 0.5]
    assert distances(samples, [codes], "mean").argmax() == 1
