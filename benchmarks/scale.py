"""What an image, a code, a part and a checkpoint cost, in bytes and processor time: docs/scale.md multiplies
these."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.latents.image_ids import HELD, repeated, span_of
from preimage.latents.manifest import finished
from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.latents.verify import verify
from preimage.metrics.pag import store_pag
from preimage.permutation import Permutation
from preimage.runs import checkpoints
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.batches import Batches
from preimage.training.worker import Worker

from .data import ZIP
from .measure import Measurement, cpu_seconds

DIM, MILLION = 100, 1e6


def units(quick: bool) -> list[Measurement]:
    """All of them; processor time, so that other work on the machine matters little."""
    with tempfile.TemporaryDirectory() as name:
        folder = Folder.at(name)
        return [
            *_images(folder),
            *_codes(folder, 200_000 if quick else 2_000_000),
            *_parts(folder, 500 if quick else 5_000),
            *_batches(1_000_000 if quick else 10_000_000),
            *_checkpoint(folder, 100_000 if quick else 1_000_000),
            *_records(folder, 200 if quick else 2_000),
        ]


def _images(folder: Folder) -> list[Measurement]:
    """Bytes of a prepared image, of the photographs where CIFAR-10 is there; 64 pixels, 3 channels."""
    path = os.environ.get(ZIP)
    photographs = bool(path) and Path(path or "").is_file()
    source = {"source": "cifar10", "path": path} if photographs else {"source": "digits"}
    data = DataConfig.model_validate(source | {"size": 64, "channels": 3, "max_images": 1_500})
    dataset = prepare(data, folder / "datasets", backend="local")
    size = sum(shard["bytes"] for shard in dataset.manifest["shards"])
    seconds = cpu_seconds(lambda: dataset.read(0, dataset.count))
    note = f"{data.source}; {64 * 64 * 3} before compression"
    return [
        _one("scale.image_bytes", size / dataset.count, "bytes", note),
        _one("scale.image_read", seconds / dataset.count * MILLION, "CPU-s a million"),
    ]


def _codes(folder: Folder, count: int) -> list[Measurement]:
    """A store of parts of 100,000 codes: bytes a row, and seconds a million to write, to finish, for PAG."""
    each = 100_000
    writer = StoreWriter(folder / "store", _about(count), count // each, count)
    random = torch.Generator().manual_seed(1)
    ids = torch.from_numpy(Permutation(count).at(np.arange(count)))
    parts = [_some(some, random) for some in ids.split(each)]
    write = cpu_seconds(lambda: [writer.write(part, codes) for part, codes in enumerate(parts)])
    parts.clear()
    finish, reading = cpu_and_memory(writer.finish)
    whole, held = cpu_and_memory(lambda: verify(folder / "store"))
    once = cpu_seconds(lambda: [span_of(some, count) for some in ids.split(each)])
    unordered, sorting = cpu_and_memory(lambda: repeated(lambda: ids.split(each), count))
    store = Store.open(folder / "store")
    found, grown = cpu_and_memory(lambda: store_pag(store, 1.0))
    size = sum(record.bytes for record in store.manifest.parts)
    millions, note = count / MILLION, f"{count:,} codes of {DIM}"
    return [
        _one("scale.code_bytes", size / count, "bytes", note),
        _one("scale.codes_write", write / millions, "CPU-s a million", note),
        _one(
            "scale.codes_finish",
            finish / millions,
            "CPU-s a million",
            f"ids and losses read; {reading:.0f} MB",
        ),
        _one(
            "scale.codes_verify",
            whole / millions,
            "CPU-s a million",
            f"every byte, id and number, and the median; {held:.0f} MB",
        ),
        _one("scale.codes_once", once / millions, "CPU-s a million", "ids of a part in the dataset's order"),
        _one(
            "scale.codes_sorted",
            unordered / millions,
            "CPU-s a million",
            f"ids in any other order; {sorting:.0f} MB for each {HELD:,}",
        ),
        _one(
            "scale.codes_pag",
            found / millions,
            "CPU-s a million",
            f"streamed; {grown:.0f} MB",
        ),
    ]


def _parts(folder: Folder, count: int) -> list[Measurement]:
    """What each part costs whoever counts them: files of one row."""
    store = folder / "parts"
    writer, random = StoreWriter(store, _about(count), count, count), torch.Generator().manual_seed(1)
    write = cpu_seconds(lambda: [writer.write(i, _some(torch.tensor([i]), random)) for i in range(count)])
    done = cpu_seconds(lambda: finished(store, writer.plan))
    finish = cpu_seconds(writer.finish)
    opened = cpu_seconds(lambda: Store.open(store))
    note = f"{count:,} parts of one row, on a local disk"
    return [
        _one("scale.part_write", write / count * 1000, "CPU-ms", note),
        _one("scale.part_done", done / count * 1000, "CPU-ms", "whether it is there: each resumption asks"),
        _one("scale.part_finish", finish / count * 1000, "CPU-ms"),
        _one("scale.part_open", opened / count * 1000, "CPU-ms", "each reader of the store, and actor"),
        _one("scale.part_manifest", store.size("_manifest.json") / count, "bytes"),
    ]


def _batches(count: int) -> list[Measurement]:
    """The order of an epoch, of one worker that has all images."""
    batches = Batches(count, 128, seed=1)
    shuffle = cpu_seconds(lambda: batches.at(0))
    step = cpu_seconds(lambda: [batches.at(number) for number in range(1_000)])
    return [
        _one(
            "scale.shuffle",
            shuffle / count * MILLION,
            "CPU-s a million",
            f"an epoch of {count:,}; 8 bytes each",
        ),
        _one("scale.rows_of_step", step, "CPU-ms", f"of {count:,} images"),
    ]


def _checkpoint(folder: Folder, count: int) -> list[Measurement]:
    """Of a worker's own codes, as GLO's."""
    own, target = {"codes": torch.rand(count, DIM)}, folder / "checkpoints"
    meta = {"images": 1, "config": {}}
    save, grown = cpu_and_memory(lambda: checkpoints.save(target, Worker(), {}, own, meta))
    find = cpu_seconds(lambda: checkpoints.newest(target))
    size = (target / f"{1:012d}").size("rank-0-of-1.pt")
    note = f"{count:,} codes of {DIM}: {size / 1e6:.0f} MB, which take another {grown:.0f} MB to write"
    return [
        _one("scale.checkpoint_code_bytes", size / count, "bytes", note),
        _one("scale.checkpoint_save", save / size * 1e9, "CPU-s a GB"),
        _one("scale.checkpoint_find", find / size * 1e9, "CPU-s a GB", "the leader's, of all workers' files"),
    ]


def _records(folder: Folder, count: int) -> list[Measurement]:
    """A file for each record of metrics."""
    run = RunFolder(folder / "run")
    metrics = {f"metric_{number}": float(number) for number in range(6)}
    write = cpu_seconds(lambda: [run.record(number, metrics) for number in range(count)])
    read = cpu_seconds(lambda: run.curve("metric_0"))
    listed = cpu_seconds(lambda: run.records(after="9"))
    return [
        _one("scale.record_write", write / count * 1000, "CPU-ms"),
        _one("scale.record_read", read / count * 1000, "CPU-ms", "each curve that is drawn"),
        _one(
            "scale.record_list",
            listed / count * 1000,
            "CPU-ms",
            "each 2 s, of all there are, to follow the run",
        ),
    ]


def _about(count: int) -> About:
    generator, dataset = (
        GeneratorInfo(fingerprint="generator"),
        DatasetInfo(fingerprint="dataset", count=count, available=count),
    )
    return About(generator=generator, dataset=dataset, latent_dim=DIM, prior="normal")


def _some(ids: torch.Tensor, random: torch.Generator) -> Codes:
    count = len(ids)
    whole = torch.ones(count, dtype=torch.int32)
    return Codes(
        image_id=ids,
        label=whole,
        z=torch.randn(count, DIM, generator=random),
        loss=torch.rand(count, generator=random),
        steps=whole,
        restart=whole,
        converged=whole.bool(),
    )


def cpu_and_memory(work: Callable[[], object]) -> tuple[float, float]:
    """Also the most memory beyond what there was before, in MB."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from now on
    before = _status("VmRSS")
    seconds = cpu_seconds(work)
    return seconds, _status("VmHWM") - before


def _status(name: str) -> float:
    """One of Linux's memory figures of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _one(name: str, value: float, unit: str, note: str = "") -> Measurement:
    return Measurement(
        name, value, unit, value, value, note=note, clock="processor" if "CPU" in unit else None
    )
