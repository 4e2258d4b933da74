"""The worst and the best codes of a store against a full sort."""

from dataclasses import replace

import pytest
import torch

from preimage.latents import extremes, parquet
from preimage.latents.store import StoreWriter


@pytest.fixture
def mixed(tmp_path, about, make_codes, monkeypatch):
    """30 images in three parts and many batches, with equal losses; two searches diverged."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 4)
    monkeypatch.setitem(parquet.OPTIONS, "row_group_size", 4)
    writer = StoreWriter(tmp_path / "mixed", about, parts=3, count=30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    for index, ids in enumerate(order.chunk(3)):
        codes = make_codes(ids.tolist())
        lost = (codes.image_id == 8) | (codes.image_id == 21)
        writer.write(index, replace(codes, loss=codes.loss.where(~lost, torch.nan)))
    return writer.finish()


@pytest.mark.parametrize("count", [1, 2, 3, 11, 30, 99])
def test_the_extremes_are_those_of_a_full_sort(mixed, count):
    losses = {each: float("inf") if each in (8, 21) else each % 7 / 8 for each in range(30)}
    worst = sorted(losses, key=lambda each: (-losses[each], each))[:count]
    best = sorted(losses, key=lambda each: (losses[each], each))[:count]
    found = extremes.worst(mixed, count)
    assert found.image_id.tolist() == worst
    assert found.label.tolist() == [each % 10 for each in worst]
    assert extremes.best(mixed, count).image_id.tolist() == best
