"""What it costs that files survive a loss of power: the file and its folder are synced before it counts."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from unittest.mock import patch

import torch

import preimage
from preimage.models.build import build_generator
from preimage.models.config import DcganConfig
from preimage.runs import checkpoints
from preimage.storage.folder import Folder
from preimage.storage.local import Posix
from preimage.training.worker import Worker

from .measure import Measurement, in_turn, measured

COMMON = {"latent_dim": 100, "prior": "normal", "kernel_size": 4}
SMALL = {"image_size": 16, "channels": 1, "base_channels": 32}
DCGAN = {"image_size": 64, "channels": 3, "base_channels": 64}
DEMO = Path(__file__).parents[1] / "jobs" / "demo.yaml"
CHANGES = {
    "glo.training.total_images": 10_000,
    "train.training.total_images": 60_000,
    "invert.inversion.steps": 20,
    "tracking.uri": "none",
    "resources.cpus_per_worker": 1,
}


def checkpoint(quick: bool) -> list[Measurement]:
    """Milliseconds that syncing adds to a checkpoint: generator and Adam's state."""
    pairs = 5 if quick else 15
    return [_checkpoint("small", SMALL, pairs), _checkpoint("dcgan", DCGAN, pairs)]


def run(quick: bool) -> list[Measurement]:
    """Syncs of the demo, shortened, and seconds in them."""
    found: list[float] = []
    with tempfile.TemporaryDirectory() as folder, _timed(found):
        begin = time.perf_counter()
        preimage.run(DEMO, CHANGES, results=folder)
        whole = time.perf_counter() - begin
    spent, note = sum(found), f"of a run of {whole:.0f} s; {1e3 * sum(found) / len(found):.1f} ms each"
    return [
        Measurement("durable.run_syncs", len(found), "", len(found), len(found), note=note, clock=None),
        Measurement("durable.run_seconds", spent, "s", spent, spent),
    ]


def _checkpoint(name: str, size: dict[str, int], pairs: int) -> Measurement:
    network = build_generator(DcganConfig.model_validate(COMMON | size))
    weights = {key: each.clone() for key, each in network.state_dict().items()}
    shared = dict.fromkeys(("weights", "average", "average_of_squares"), weights)
    shared = {key: {name: each.clone() for name, each in part.items()} for key, part in shared.items()}
    worker = Worker.of_process_group(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        place = Folder.at(folder)

        def save() -> None:
            checkpoints.save(place, worker, shared, {}, {"images": 1, "config": {}})

        def unsynced() -> None:
            with patch.multiple(Posix, sync=_flush, sync_folder=lambda self, path: None):
                save()

        found = in_turn(save, unsynced, pairs, lambda: (place / f"{1:012d}").delete())
        written = sum(each.size for each in (place / f"{1:012d}").entries())
    with_sync, without = (1e3 * sorted(each)[len(each) // 2] for each in zip(*found, strict=True))
    note = f"{written / 1e6:.1f} MB: {with_sync:.1f} ms, without {without:.1f}"
    return measured(f"durable.checkpoint_ms.{name}", [1e3 * (a - b) for a, b in found], "ms", None, note)


def _flush(self: Posix, stream: BinaryIO) -> None:
    stream.flush()


@contextmanager
def _timed(found: list[float]) -> Iterator[None]:
    """Note the seconds of each sync."""
    fsync = os.fsync

    def timed(file: int) -> None:
        begin = time.perf_counter()
        fsync(file)
        found.append(time.perf_counter() - begin)

    with patch("os.fsync", timed):
        yield
