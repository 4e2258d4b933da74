"""What a store of 50 parts asks of an object store."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from preimage.jobs.invert.found import Found
from preimage.latents.schema import Codes
from preimage.latents.store import Store, StoreWriter
from preimage.permutation import Permutation
from preimage.storage.folder import Folder
from preimage.storage.object_storage import ObjectStorage
from simulation.objects import SimulatedObjects

PARTS, ROWS = 50, 4


class Requests:
    """Counts what is asked of a bucket."""

    def __init__(self) -> None:
        self.by_kind: Counter[str] = Counter()
        objects = SimulatedObjects(self._count)
        self.folder = Folder(ObjectStorage(objects, "s3", "bucket"), "bucket/store")

    def _count(self, request) -> None:
        self.by_kind[request.method] += request.moment == "before"

    def of(self, work) -> Counter[str]:
        self.by_kind.clear()
        work()
        return self.by_kind.copy()


@pytest.fixture
def bucket() -> Requests:
    return Requests()


@pytest.fixture
def codes(make_codes) -> Codes:
    """In the order of their dataset; the search for one image diverged."""
    found = make_codes(Permutation(PARTS * ROWS).at(np.arange(PARTS * ROWS)).tolist())
    return replace(found, loss=torch.where(found.image_id == 7, torch.nan, found.loss))


@pytest.fixture
def writer(bucket, about, codes) -> StoreWriter:
    """All parts are written, and no manifest."""
    images = about.dataset.model_copy(update={"count": PARTS * ROWS, "available": PARTS * ROWS})
    about = about.model_copy(update={"dataset": images})
    writer = StoreWriter(bucket.folder, about, PARTS, PARTS * ROWS)
    for part in range(PARTS):
        writer.write(part, codes[part * ROWS : (part + 1) * ROWS])
    return writer


def test_resuming_asks_once_a_part(bucket, writer):
    asked = bucket.of(lambda: StoreWriter(bucket.folder, writer.plan.about, PARTS, PARTS * ROWS).done())
    assert asked == {"get": PARTS + 1, "listed": 1}  # and for the plan


def test_opening_asks_nothing_of_a_part(bucket, writer):
    writer.finish()
    assert bucket.of(lambda: Store.open(bucket.folder)) == {"get": 1, "listed": 1}


def test_a_loader_asks_once_a_part_for_its_footer_and_once_an_epoch_for_its_codes(bucket, writer):
    store = writer.finish()
    assert bucket.of(lambda: store.loader(16)) == {"tail": PARTS}
    loader = store.loader(16)
    assert bucket.of(lambda: list(loader)) == {"tail": PARTS}


def test_the_end_of_an_inversion_opens_a_part_once(bucket, writer, codes):
    found = Found(with_size=True)
    asked = bucket.of(lambda: writer.finish(None, found, writer.written()))
    assert asked == {"get": PARTS, "listed": 1, "tail": PARTS, "put": 1}
    kept = codes[~codes.diverged]
    assert (found.tally.count, found.tally.loss_median) == (len(codes), kept.loss.median())
    assert found.size == pytest.approx(kept.z.double().square().mean().sqrt().item(), rel=1e-12)


def test_columns_of_a_large_part_are_a_few_requests(bucket, about, make_codes):
    """The end of the object, which names the columns' places, then neighbouring columns together."""
    rows, dim = 4096, 20
    about = about.model_copy(update={"latent_dim": dim})
    writer = StoreWriter(bucket.folder, about, 1, rows)
    writer.write(0, make_codes(list(range(rows)), dim))
    store = writer.finish()
    asked = bucket.of(lambda: list(store.batches(["loss", "steps"])))
    assert asked == {"tail": 1, "get_range": 1}  # image_id is at the other end
    assert bucket.of(lambda: list(store.batches())) == {"tail": 1, "get_range": 1}
    loader = store.loader(16)
    assert bucket.of(lambda: list(loader)) == {"tail": 1, "get_range": 1}
