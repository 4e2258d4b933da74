"""Errors of reconstructions against direct float64 ones."""

import pytest
import torch

from preimage.data.pixels import to_float
from preimage.errors import StoreError
from preimage.metrics import reconstruction as module
from preimage.metrics.reconstruction import reconstruction
from preimage.models.generator_folder import write_generator
from preimage.objectives.lap1 import lap1
from stores import linear_generator, write_store

CPU = torch.device("cpu")


@pytest.fixture
def generator():
    return linear_generator(3, seed=1)


@pytest.fixture
def make(folder, digits, generator):
    """A store of the first images with these ids, and its codes."""
    card = write_generator(generator, folder / "generator", {})

    def make(count=200, order=None, lost=()):
        z = torch.randn(count, 3, generator=torch.Generator().manual_seed(5))
        ids = digits.read(0, count).image_id
        return write_store(folder / "store", card, digits, z, ids if order is None else ids[order], lost), z

    return make


def test_errors_are_those_of_a_direct_float64_computation(make, generator, digits, monkeypatch):
    monkeypatch.setattr(module, "READ", 50)
    monkeypatch.setattr(module, "BATCH", 7)
    lost = (0, 66, 199)
    store, z = make(lost=lost)
    told = []
    found = reconstruction(generator, store, digits, CPU, lambda done, total: told.append((done, total)))
    keep = [row for row in range(200) if row not in lost]
    images = to_float(digits.read(0, 200).pixels).double()[keep]
    with torch.no_grad():
        made = generator.double()(z.double())[keep]
    assert found.mse == pytest.approx((made - images).square().mean().item(), rel=1e-6)
    assert found.lap1 == pytest.approx(lap1(made, images).mean().item(), rel=1e-6)
    assert found.lap1_paper == pytest.approx(lap1(made, images, "paper").mean().item(), rel=1e-6)
    assert found.variance == pytest.approx(images.var(0, correction=0).mean().item(), rel=1e-9)
    assert found.explained == pytest.approx(1 - found.mse / found.variance)
    assert (found.count, found.skipped) == (197, 3)
    assert told[-1] == (200, 200)


def test_a_store_of_the_first_images_alone_is_measured_on_them(make, generator, digits):
    store, _ = make(count=30)
    images = to_float(digits.read(0, 30).pixels).double()
    found = reconstruction(generator, store, digits, CPU)
    assert found.count == 30
    assert found.variance == pytest.approx(images.var(0, correction=0).mean().item(), rel=1e-9)


def test_the_mean_image_explains_nothing_and_the_images_themselves_everything(folder, digits):
    images = to_float(digits.read(0, 200).pixels).flatten(1)
    for dim, explained in ((1, 0.0), (200, 1.0)):
        generator = linear_generator(dim, seed=0)
        with torch.no_grad():
            generator.mean.copy_(images.mean(0) if dim == 1 else torch.zeros(256))
            generator.components.copy_(images[:dim] if dim == 200 else torch.zeros(1, 256))
        z = torch.eye(200) if dim == 200 else torch.ones(200, 1)
        card = write_generator(generator, folder / f"g{dim}", {})
        store = write_store(folder / f"s{dim}", card, digits, z, digits.read(0, 200).image_id)
        assert reconstruction(generator, store, digits, CPU).explained == pytest.approx(explained, abs=1e-6)


def test_codes_in_another_order_than_the_images_are_refused(make, generator, digits):
    order = torch.arange(200)
    order[[150, 151]] = order[[151, 150]]
    store, _ = make(order=order)
    ids = digits.read(150, 152).image_id.tolist()
    with pytest.raises(
        StoreError,
        match=f"out of step: row 150 of .* belongs to image {ids[1]}, .* the dataset is image {ids[0]}",
    ):
        reconstruction(generator, store, digits, CPU)


def test_where_every_image_diverged_there_is_no_error_to_tell(make, generator, digits):
    store, _ = make(count=9, lost=tuple(range(9)))
    with pytest.raises(StoreError, match="every image of .* diverged: invert again"):
        reconstruction(generator, store, digits, CPU)
