"""Opening a million codes to look at them: seconds and memory, each in a process of its own."""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo
from preimage.latents.store import StoreWriter

from .measure import Measurement, measured

DIM, CLASSES, EACH = 64, 10, 250_000
SECONDS, MEBIBYTES = 10.0, 2048.0
"""The aims."""
REPEATED = 3
OPEN = """
import json, sys, time
from pathlib import Path
begin, processor = time.perf_counter(), time.process_time()
from preimage.browsing.points import density, in_window, points_of
from preimage.library.browse import open_subject
subject = open_subject(sys.argv[1], sys.argv[2])
points = points_of(subject, "pca")
density(points, *points.extent)
in_window(points, *points.extent, 20_000)
points.columns["label"], points.columns["loss"]
seconds, processor = time.perf_counter() - begin, time.process_time() - processor
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
begin = time.perf_counter()
in_window(points, 0, 0.5, 0, 0.5, 20_000), density(points, 0, 0.5, 0, 0.5)
zoom = time.perf_counter() - begin
print(json.dumps([seconds, processor, int(peak.split()[1]) / 1024, len(points), zoom * 1000]))
"""


def open_million(quick: bool) -> list[Measurement]:
    """A store of 64 components: its first opening, which makes the PCA map, and later ones, which read it."""
    count = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name) / "store", count)
        first = _opened(name)
        later = [_opened(name) for _ in range(REPEATED)]
    note = f"{count:,} codes of {DIM}; imports, store, map, density, a window, labels and losses"
    return [
        *_rows("browse.open_million.first", [first, first], f"{note}; the PCA map is made"),
        *_rows("browse.open_million", later, f"{note}; the map is read"),
        measured("browse.zoom_million", [each[4] for each in later], "ms", note="20,000 points, density"),
    ]


def _rows(name: str, found: list[list[float]], note: str) -> list[Measurement]:
    seconds, processor, peak = ([each[i] for each in found] for i in range(3))
    return [
        _at_most(measured(name, seconds, "s", SECONDS, note)),
        _at_most(measured(f"{name}.processor", processor, "s", SECONDS, note, "processor")),
        _at_most(measured(f"{name}.peak", peak, "MiB", MEBIBYTES, note, None)),
    ]


def _at_most(row: Measurement) -> Measurement:
    return replace(row, at_most=True)


def _opened(root: str) -> list[float]:
    command = [sys.executable, "-c", OPEN, f"{root}/store", root]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def _write(folder: Path, count: int) -> None:
    about = About(
        generator=GeneratorInfo(fingerprint="generator"),
        dataset=DatasetInfo(fingerprint="dataset", count=count),
        latent_dim=DIM,
        prior="normal",
    )
    parts = torch.arange(count).split(min(EACH, count))
    writer = StoreWriter(folder, about, len(parts), count)
    random = torch.Generator().manual_seed(1)
    centres = 2 * torch.randn(CLASSES, DIM, generator=random)
    for number, ids in enumerate(parts):
        label = torch.randint(CLASSES, (len(ids),), generator=random)
        writer.write(
            number,
            Codes(
                image_id=ids,
                label=label.int(),
                z=torch.randn(len(ids), DIM, generator=random) + centres[label],
                loss=torch.rand(len(ids), generator=random),
                steps=torch.full((len(ids),), 500, dtype=torch.int32),
                restart=torch.zeros(len(ids), dtype=torch.int32),
                converged=torch.ones(len(ids), dtype=torch.bool),
            ),
        )
    writer.finish()
