"""Writing and reading a latent store, over pyarrow doing the same to a bare Parquet file."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import torch

from preimage.latents.parquet import OPTIONS
from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo, from_table, to_table
from preimage.latents.store import Store, StoreWriter

from .measure import Measurement, in_turn, measured

DIM = 100
AIM = 0.8


def write_over_pyarrow(quick: bool) -> Measurement:
    """From tensors to a finished store, checked and hashed, over `write_table` from a table."""
    codes, about = _codes(quick)
    table = to_table(codes, about)
    with _folder() as folder:

        def ours() -> None:
            writer = StoreWriter(folder / "store", about, parts=1, count=len(codes))
            writer.write(0, codes)
            writer.finish()

        def pyarrow() -> None:
            (folder / "bare").mkdir()
            pq.write_table(table, folder / "bare" / "part.parquet", **OPTIONS)

        def clean() -> None:
            for each in ("store", "bare"):
                shutil.rmtree(folder / each, ignore_errors=True)

        pairs = in_turn(ours, pyarrow, 5 if quick else 15, clean)
    return _measured("store.write_over_pyarrow", pairs, codes)


def read_over_pyarrow(quick: bool) -> Measurement:
    """To tensors, in batches whose checksums are verified, over `read_table`, which verifies nothing."""
    codes, about = _codes(quick)
    with _folder() as folder:
        writer = StoreWriter(folder, about, parts=1, count=len(codes))
        part = folder / writer.write(0, codes).file
        writer.finish()

        def ours() -> None:
            for _ in Store.open(folder).batches():
                pass

        pairs = in_turn(ours, lambda: pq.read_table(part), 5 if quick else 15)
    return _measured("store.read_over_pyarrow", pairs, codes)


def loader_over_pyarrow(quick: bool) -> list[Measurement]:
    """An epoch of shuffled batches over `read_table` of the same columns as tensors, in store order and
    unverified; in time, and in time of the processor. A new loader's first epoch verifies checksums."""
    codes, about = _codes(quick)
    found: list[Measurement] = []
    with _folder() as folder:
        writer = StoreWriter(folder, about, parts=1, count=len(codes))
        part = folder / writer.write(0, codes).file
        store = writer.finish()

        def pyarrow() -> None:
            from_table(pq.read_table(part, columns=["image_id", "z"]))

        def compare(kind: str, epoch: Callable[[], None]) -> None:
            for clock, what in ((time.perf_counter, ""), (time.process_time, ".processor")):
                pairs = in_turn(epoch, pyarrow, 9 if quick else 31, clock=clock)
                found.append(_measured(f"store.loader_over_pyarrow.{kind}{what}", pairs, codes))

        for size in (4096, 256):
            compare(str(size), partial(_through, store.loader(size)))
        compare("first_epoch", lambda: _through(store.loader(4096)))
    return found


def _through(loader: Iterable[Codes]) -> None:
    for _ in loader:
        pass


def _measured(name: str, pairs: list[tuple[float, float]], codes: Codes) -> Measurement:
    ours, bare = (codes.z.nbytes / 1e6 / sorted(each)[len(each) // 2] for each in zip(*pairs, strict=True))
    note = f"{ours:.0f} MB/s, pyarrow {bare:.0f}"
    return measured(name, [bare / ours for ours, bare in pairs], "x", AIM, note)


def _codes(quick: bool) -> tuple[Codes, About]:
    count = 50_000 if quick else 200_000
    about = About(
        generator=GeneratorInfo(fingerprint="generator"),
        dataset=DatasetInfo(fingerprint="dataset", count=count),
        latent_dim=DIM,
        prior="normal",
    )
    random = torch.Generator().manual_seed(1)
    codes = Codes(
        image_id=torch.arange(count),
        label=torch.zeros(count, dtype=torch.int32),
        z=torch.randn(count, DIM, generator=random),
        loss=torch.rand(count, generator=random),
        steps=torch.full((count,), 500, dtype=torch.int32),
        restart=torch.zeros(count, dtype=torch.int32),
        converged=torch.ones(count, dtype=torch.bool),
    )
    return codes, about


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
