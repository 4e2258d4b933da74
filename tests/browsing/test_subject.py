"""What is browsed: codes by id, decoded as the generator makes them."""

import numpy as np
import pytest
import torch

from browsed import COUNT, DIM, LOST, draw, of_codes
from preimage.browsing.subject import decode
from preimage.data.pixels import to_uint8
from preimage.errors import StoreError
from preimage.latents import parquet


def test_every_image_that_did_not_diverge_is_browsed_once(subject, digits):
    ids = digits.read(0, COUNT).image_id.numpy()
    assert subject.rows.ids.tolist() == np.delete(ids, LOST).tolist()
    assert (subject.count, subject.rows.diverged, subject.latent_dim) == (COUNT - 1, 1, DIM)
    assert np.isfinite(subject.rows.losses).all()
    assert len(subject.rows.losses) == COUNT - 1


def test_codes_come_by_id_in_the_order_asked_for(subject):
    kept = torch.cat([codes.z for codes in subject.batches(("z",))])
    asked = np.array([7, 0, 7, COUNT - 2])
    found = subject.codes_of(subject.rows.ids[asked])
    assert torch.equal(found.z, kept[asked])
    assert found.label.tolist() == subject.rows.labels[asked].tolist()
    assert len(subject.codes_of(subject.rows.ids[:0])) == 0


def test_codes_come_from_many_row_groups(folder, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 4)
    monkeypatch.setitem(parquet.OPTIONS, "row_group_size", 4)
    monkeypatch.setattr(parquet, "PIECE", 2 * 4 * DIM)  # two codes at a time
    z = draw(30)
    ids = torch.arange(30).flip(0) * 5
    found = of_codes(folder, z, ids=ids, lost=(3,)).codes_of(np.array([0, 140, 5, 145]))
    assert torch.equal(found.z, z[[29, 1, 28, 0]])


@pytest.mark.parametrize("row", [LOST, None])
def test_an_image_without_a_code_is_refused(subject, digits, row):
    missing = 10**6 if row is None else int(digits.read(row, row + 1).image_id)
    with pytest.raises(StoreError, match=f"no code of image {missing}"):
        subject.codes_of(np.array([missing]))


def test_reconstructions_are_what_the_generator_makes(subject):
    ids = subject.rows.ids[:5]
    with torch.no_grad():
        made = subject.generator(subject.codes_of(ids).z)
    assert np.array_equal(subject.reconstructions(ids), to_uint8(made).permute(0, 2, 3, 1).numpy())
    assert subject.reconstructions(ids).shape == subject.pixels.images(ids).shape == (5, 16, 16, 1)


def test_a_conditional_generator_gets_its_class():
    class Classed(torch.nn.Module):
        classes = 3

        def forward(self, codes, labels):
            return (labels.float() - 1)[:, None, None, None].expand(len(codes), 1, 2, 2)

    made = decode(Classed(), np.zeros((4, 2), np.float32), np.array([0, 1, 2, -1]))  # -1: no label
    assert made[:, 0, 0, 0].tolist() == [0, 128, 255, 0]
    assert decode(Classed(), torch.zeros(1, 2), None)[0, 0, 0, 0] == 0


def test_originals_are_the_datasets_images_by_id(subject, digits):
    rows = digits.read(3, 8)
    order = [4, 0, 2]
    found = subject.pixels.images(rows.image_id.numpy()[order])
    assert np.array_equal(found, rows.pixels.permute(0, 2, 3, 1).numpy()[order])
    assert len(subject.pixels.names(rows.image_id.numpy())) == 5
