"""CIFAR-10's JPEGs in .tar shards: reading and decoding them beside the package webdataset, and the index."""

import io
import os
import statistics
import tarfile
import tempfile
import zipfile
from pathlib import Path

from preimage.data.config import DataConfig
from preimage.data.decoding.decode import open_image
from preimage.data.sources.data_files import list_files
from preimage.data.sources.tar_index import index_of
from preimage.data.sources.tar_samples import Reading
from preimage.data.sources.webdataset import WebDatasetSource

from .data import ZIP
from .measure import Measurement, in_turn, measured, seconds


def tar_over_webdataset(quick: bool) -> list[Measurement] | str:
    """Images a second in one process over those of webdataset's own reader; or why it was not measured."""
    path = os.environ.get(ZIP)
    if not path or not Path(path).is_file():
        return f"no CIFAR-10: name a .zip of its images, one folder a class, by --cifar10 or {ZIP}"
    try:
        import webdataset  # noqa: F401  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        return "no package webdataset: pip install webdataset"
    images = 2_000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PREIMAGE_CACHE"] = f"{folder}/cache"
        shard = _pack(Path(path), Path(folder) / "train.tar", images)
        pairs = in_turn(lambda: _ours(shard, images), lambda: _theirs(shard, images), 5)
        index = [_index(shard) / images / 2 for _ in range(5)]
    rates = [images / ours for ours, _ in pairs]
    theirs = statistics.median(images / seconds for _, seconds in pairs)
    note = f"webdataset {theirs:,.0f} images/s; 32 px JPEGs to RGB, index made before"
    return [
        measured("data.tar", rates, "images/s", note="one process, read and decoded to RGB"),
        measured("data.tar_over_webdataset", [b / a for a, b in pairs], "x", aim=1.0, note=note),
        measured(
            "data.tar_index", [1e6 * each for each in index], "us/member", note="headers and .cls, local"
        ),
    ]


def _pack(path: Path, shard: Path, images: int) -> Path:
    """The first images of each class in turn, with their class as .cls."""
    with zipfile.ZipFile(path) as archive, tarfile.open(shard, "w") as packed:
        names = [name for name in archive.namelist() if name.startswith("train/") and name.endswith(".jpg")]
        classes = sorted({name.split("/")[1] for name in names})
        for i, name in enumerate(names[:: len(names) // images][:images]):
            label = classes.index(name.split("/")[1])
            for suffix, data in (("cls", b"%d" % label), ("jpg", archive.read(name))):
                info = tarfile.TarInfo(f"{i:06d}.{suffix}")
                info.size = len(data)
                packed.addfile(info, io.BytesIO(data))
    return shard


def _ours(shard: Path, images: int) -> None:
    source = WebDatasetSource(DataConfig(source="webdataset", path=str(shard)))
    count = 0
    for piece in range(len(source.pieces)):
        for sample in source.read(piece):
            assert isinstance(sample.content, bytes)
            open_image(sample.content).convert("RGB")
            count += 1
    assert count == images


def _theirs(shard: Path, images: int) -> None:
    import webdataset  # pyright: ignore[reportMissingImports]  # optional

    dataset = webdataset.WebDataset(str(shard), shardshuffle=False).decode("pil").to_tuple("jpg", "cls")
    assert sum(1 for _ in dataset) == images


def _index(shard: Path) -> float:
    """Seconds to read all headers and labels, without the index of the last time."""
    root, (file,), _ = list_files(str(shard), ".tar")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PREIMAGE_CACHE"] = cache
        return seconds(lambda: index_of(root, file, Reading(None, None)))
