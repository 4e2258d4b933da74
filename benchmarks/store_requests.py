"""What a latent store asks of object storage: requests a part, and seconds if each takes 30 ms."""

import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import torch

from preimage.jobs.invert.found import Found
from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.permutation import Permutation

from .measure import Measurement
from .object_store import Counting

PARTS = (245, 24_415)
"""Of a million images and of 100 million, 4,096 a part."""
ROWS, DIM = 32, 20
"""Of a part here: requests are as many for larger ones, up to one more that reads what a column selects."""
LATENCY = 0.03
PER_STORE = 2
"""Requests of a resumption besides those for the parts: the plan, and a listing, a page per 1,000 files."""

Counted = tuple[Counter[str], float]
"""Requests by kind, and seconds."""


def requests(quick: bool) -> list[Measurement]:
    """Opening a store, resuming one whose parts are all written, and the end of its inversion."""
    parts = PARTS[:1] if quick else PARTS
    found = [(count, _measured(count)) for count in parts]
    count, (resumed, opened, ended) = found[0]
    own = resumed[0].total() - PER_STORE
    note = f"besides {PER_STORE} requests for the store: {_kinds(resumed)}, {count} parts"
    lines = [
        _line("store.open_requests_per_part", opened[0].total() / count, "", _kinds(opened), 0.1),
        _line("store.resume_requests_per_part", own / count, "", note, 1),
        _line("store.end_requests_per_part", ended[0].total() / count, "", _kinds(ended)),
    ]
    for count, (resumed, opened, ended) in found:
        for name, each in (("open", opened), ("resume", resumed), ("end", ended)):
            lines.append(_line(f"store.{name}_seconds.{count}", each[1], "s", _kinds(each)))
    return lines


def _line(name: str, value: float, unit: str, note: str, aim: float | None = None) -> Measurement:
    return Measurement(
        name, value, unit, value, value, aim, note, at_most=True, clock="wall" if unit else None
    )


def _measured(parts: int) -> list[Counted]:
    bucket = Counting()
    folder, about = bucket.folder / "store", _about(parts)
    writer = StoreWriter(folder, about, parts, parts * ROWS)
    for part in range(parts):
        writer.write(part, _codes(part, parts))
    bucket.seconds = LATENCY

    def end() -> None:
        found, written = Found(with_size=True), writer.written()
        writer.finish(None, found, written)
        _ = found.tally.loss_median, found.tally.loss_histogram(60), found.size

    resumed = _counted(bucket, lambda: StoreWriter(folder, about, parts, parts * ROWS).done())
    ended = _counted(bucket, end)
    return [resumed, _counted(bucket, lambda: Store.open(folder)), ended]


def _counted(bucket: Counting, work: Callable[[], object]) -> Counted:
    begin = time.perf_counter()
    with bucket.counted() as requests:
        work()
    return requests, time.perf_counter() - begin


def _about(parts: int) -> About:
    images = DatasetInfo(fingerprint="dataset", count=parts * ROWS, available=parts * ROWS)
    return About(
        generator=GeneratorInfo(fingerprint="generator"), dataset=images, latent_dim=DIM, prior="normal"
    )


def _codes(part: int, parts: int) -> Codes:
    random, none = torch.Generator().manual_seed(part), torch.zeros(ROWS, dtype=torch.int32)
    ids = Permutation(parts * ROWS).at(np.arange(part * ROWS, (part + 1) * ROWS))
    z, loss = torch.randn(ROWS, DIM, generator=random), torch.rand(ROWS, generator=random)
    return Codes(torch.from_numpy(ids), none, z, loss, none, none, none.bool())


def _kinds(counted: Counted) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(counted[0].items()))
