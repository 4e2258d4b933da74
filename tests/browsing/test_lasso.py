"""What a set of chosen images has in common."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from browsed import draw, of_codes
from preimage.browsing import lasso
from preimage.browsing.lasso import summary
from preimage.data.dataset import Dataset
from preimage.errors import DataError, StoreError


def test_means_are_those_of_the_set(subject):
    ids = subject.rows.ids[3:20]
    found = summary(subject, ids, shown=4)
    z = subject.codes_of(ids).z.double()
    assert np.allclose(found.mean_code, z.mean(0), atol=1e-6)
    images = subject.pixels.images(ids).astype(float)
    assert np.abs(found.mean_image - images.mean(0)).max() <= 0.5
    assert np.abs(found.mean_reconstruction - subject.reconstructions(ids).astype(float).mean(0)).max() <= 0.5
    assert np.array_equal(found.of_mean_code, subject.decode(z.mean(0, keepdim=True).float())[0])
    assert found.count == sum(found.labels.values()) == 17
    assert list(found.labels.values()) == sorted(found.labels.values(), reverse=True)
    assert not found.notes


def test_the_nearest_and_the_worst_come_first(folder):
    subject = of_codes(folder, torch.tensor([[0.0], [1], [2], [3], [10]]))
    np.copyto(subject.rows.losses, [0.1, 0.5, 0.3, 0.2, 0.9])
    found = summary(subject, np.array([3, 1, 2, 1, 0]), shown=3)
    assert found.count == 4
    assert found.mean_code.tolist() == [1.5]
    assert found.nearest.tolist() == [1, 2, 0]
    assert found.worst.tolist() == [1, 2, 3]
    assert found.loss_mean == pytest.approx(0.275)
    assert (found.mean_image, found.of_mean_code, found.mean_reconstruction) == (None, None, None)


def test_means_of_a_large_set_are_of_a_sample_which_is_said(folder, monkeypatch):
    monkeypatch.setattr(lasso, "MOST", 10)
    subject = of_codes(folder, draw(40))
    found = summary(subject, subject.rows.ids)
    assert found.count == 40
    assert "a sample of 10 of the 40 images" in found.notes[0]


def test_images_that_cannot_be_read_are_said_and_the_rest_is_shown(subject, monkeypatch):
    def damaged(*_):
        raise DataError("part-00000.parquet is damaged")

    monkeypatch.setattr(Dataset, "read", damaged)
    found = summary(subject, subject.rows.ids[:5])
    assert found.mean_image is None
    assert found.of_mean_code is not None
    assert "part-00000.parquet is damaged" in found.notes[0]


def test_codes_without_losses_have_no_worst_and_unknown_ids_are_refused(subject):
    rows = replace(subject.rows, losses=None)
    without = replace(subject)
    vars(without)["rows"] = rows
    assert len(summary(without, subject.rows.ids[:5]).worst) == 0
    with pytest.raises(StoreError, match="no code of image 999999"):
        summary(subject, np.array([999999]))
