"""Writing and reading a latent store, over pyarrow doing the same to a bare Parquet file."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import torch

from preimage.latents.parquet import OPTIONS
from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo, from_table, to_table
from preimage.latents.store import Store, StoreWriter

from .measure import Clock, Measurement, in_turn, measured

DIM = 100
AIM, READ_AIM = 0.8, 0.9
SECONDS: dict[Clock, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
CLOCKS: dict[Clock, str] = {"wall": "", "processor": ".processor"}
"""And what they add to a name."""


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


def read_over_pyarrow(quick: bool) -> list[Measurement]:
    """To tensors, in batches whose checksums are verified, over `read_table`, which verifies nothing; in time
    of the processor, in seconds that pass, and without the checksums."""
    codes, about = _codes(quick)
    with _folder() as folder:
        writer = StoreWriter(folder, about, parts=1, count=len(codes))
        part = folder / writer.write(0, codes).file
        writer.finish()

        def ours() -> None:
            for _ in Store.open(folder).batches():
                pass

        def unverified() -> None:
            with patch.object(pq, "ParquetFile", partial(_unverified, pq.ParquetFile)):
                ours()

        def compare(kind: str, way: Callable[[], None], clock: Clock, aim: float | None) -> Measurement:
            pairs = in_turn(way, lambda: pq.read_table(part), 5 if quick else 31, clock=SECONDS[clock])
            return _measured(f"store.read_over_pyarrow{kind}", pairs, codes, aim, clock)

        return [
            compare("", ours, "processor", READ_AIM),
            compare(".wall", ours, "wall", None),
            compare(".unverified", unverified, "processor", None),
        ]


def _unverified(open_file: Callable[..., pq.ParquetFile], *arguments: Any, **settings: Any) -> pq.ParquetFile:
    return open_file(*arguments, **settings | {"page_checksum_verification": False})


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
            name = f"store.loader_over_pyarrow.{kind}"
            for clock, what in CLOCKS.items():
                pairs = in_turn(epoch, pyarrow, 9 if quick else 31, clock=SECONDS[clock])
                found.append(_measured(f"{name}{what}", pairs, codes, AIM, clock))

        for size in (4096, 256):
            compare(str(size), partial(_through, store.loader(size)))
        compare("first_epoch", lambda: _through(store.loader(4096)))
    return found


def _through(loader: Iterable[Codes]) -> None:
    for _ in loader:
        pass


def _measured(
    name: str,
    pairs: list[tuple[float, float]],
    codes: Codes,
    aim: float | None = AIM,
    clock: Clock = "wall",
) -> Measurement:
    ours, bare = (codes.z.nbytes / 1e6 / sorted(each)[len(each) // 2] for each in zip(*pairs, strict=True))
    note = f"{ours:.0f} MB/s, pyarrow {bare:.0f}"
    return measured(name, [bare / ours for ours, bare in pairs], "x", aim, note, clock)


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
