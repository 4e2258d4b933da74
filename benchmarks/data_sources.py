"""Sources of images: preparing from each, planning with long lists, and what a source in shards holds.

Processor time, so that other work on the machine matters little: images a second are those of one core.
"""

import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.decoding.decode import open_image
from preimage.data.preparing.prepare import prepare
from preimage.data.preparing.shard_plan import plan_shards
from preimage.data.sources.base import is_iterable
from preimage.data.sources.open import open_source
from preimage.permutation import Permutation
from preimage.storage.folder import Folder

from .measure import Measurement, cpu_seconds, in_turn, measured
from .scale import cpu_and_memory

SIDE, CLASSES = 96, 10


def prepare_by_source(quick: bool) -> list[Measurement]:
    """Images a second of a core: JPEGs of 96 px, or their arrays, to 64 px in shards."""
    images = [*_pictures(200 if quick else 2_000)]
    found: list[Measurement] = []
    with tempfile.TemporaryDirectory() as name:
        for source, write in _WRITERS.items():
            kind = "folder" if source == "zip" else source
            path = write(images, Path(name) / source)
            config = DataConfig.model_validate({"source": kind, "path": str(path)})
            rates = [len(images) / _prepared(config) for _ in range(3)]
            found.append(measured(f"data.prepare.{source}", rates, "images/s", note=_NOTE, clock="processor"))
    return found


def parquet_over_datasets(quick: bool) -> Measurement | str:
    """Images a second over those of the package datasets' own reader; or why it was not measured."""
    try:
        import datasets  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        return "no package datasets: pip install datasets"
    images = [*_pictures(500 if quick else 5_000)]
    with tempfile.TemporaryDirectory() as name:
        path = _parquet(images, Path(name) / "parquet")
        config = DataConfig.model_validate({"source": "parquet", "path": str(path)})

        def theirs() -> None:
            files = {"train": str(path / "train.parquet")}
            rows = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
            rows = rows.cast_column("image", datasets.Image())
            assert sum(row["image"].convert("RGB").size[0] == SIDE for row in rows) == len(images)

        pairs = in_turn(lambda: _read(config, len(images)), theirs, 3)
    note = f"{len(images) / min(ours for ours, _ in pairs):,.0f} images/s, read and decoded to RGB"
    return measured("data.parquet_over_datasets", [b / a for a, b in pairs], "x", aim=1.0, note=note)


def plan_seconds(quick: bool) -> list[Measurement]:
    """What a plan asks of a source: files and labels, their state, and the classes."""
    files, names = (2_000, 20_000) if quick else (60_000, 1_280_000)
    with tempfile.TemporaryDirectory() as name:
        folder, table = Path(name) / "folder", Path(name) / "table"
        _tiny_files(folder, files)
        rows = "".join(f"{path},{path[:7]}\n" for path in _tiny_files(table, names))
        (table / "images.csv").write_text(f"file_name,label\n{rows}")
        return [
            _planned("folder", {"path": str(folder)}, f"{files:,} files in {CLASSES} classes"),
            _planned("table", {"path": str(table / "images.csv")}, f"a CSV of {names:,} names"),
        ]


def permutation_ns(quick: bool) -> Measurement:
    """A row of the order of a preparation, computed in blocks of 100,000 rows of 100 million."""
    order, block = Permutation(100_000_000), np.arange(100_000)
    starts = range(0, 1_000_000 if quick else 10_000_000, len(block))
    found = [cpu_seconds(lambda start=start: order.at(block + start)) / len(block) * 1e9 for start in starts]
    return measured("data.permutation_ns", found, "ns", note="no array of all rows", clock="processor")


def driver_memory(quick: bool) -> list[Measurement]:
    """To open Parquet files of 10 million tiny images in row groups of 1,000, and to plan their shards."""
    rows, files = (100_000, 2) if quick else (1_000_000, 10)
    image = _encoded(Image.new("L", (8, 8)), "PNG")
    table = pa.table({"image": pa.array([image] * rows), "label": pa.array(np.arange(rows) % CLASSES)})
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"train-{number:05d}-of-{files:05d}.parquet" for number in range(files)]
        pq.write_table(table, paths[0], row_group_size=1_000, use_dictionary=False)
        for path in paths[1:]:
            path.hardlink_to(paths[0])
        del table
        config = DataConfig.model_validate({"source": "parquet", "path": name, "size": 8})

        def plan() -> None:
            source = open_source(config)
            plan_shards(config, source.signature.state, len(source)).image_ids(0)

        spent, grown = cpu_and_memory(plan)
    note = f"{rows * files:,} rows of {len(image)} bytes in {files} files"
    return [
        Measurement("data.driver_memory", grown, "MB", grown, grown, note=note, clock=None),
        Measurement("data.driver_seconds", spent, "CPU-s", spent, spent, clock="processor"),
    ]


def _pictures(count: int) -> Iterator[np.ndarray]:
    """Smooth random colours with some noise, (SIDE, SIDE, 3) uint8: JPEGs of some 3 kB."""
    random = np.random.default_rng(0)
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((SIDE, SIDE))
        noise = random.normal(0, 4, (SIDE, SIDE, 3))
        yield (np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)


def _encoded(image: Image.Image, kind: str = "JPEG") -> bytes:
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def _folder(images: list[np.ndarray], root: Path) -> Path:
    for i, image in enumerate(images):
        path = root / str(i % CLASSES) / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_encoded(Image.fromarray(image)))
    return root


def _zip(images: list[np.ndarray], root: Path) -> Path:
    root.mkdir()
    with zipfile.ZipFile(root / "images.zip", "w") as archive:
        for i, image in enumerate(images):
            archive.writestr(f"{i % CLASSES}/{i:06d}.jpg", _encoded(Image.fromarray(image)))
    return root / "images.zip"


def _parquet(images: list[np.ndarray], root: Path) -> Path:
    root.mkdir()
    column = [
        {"bytes": _encoded(Image.fromarray(image)), "path": f"{i}.jpg"} for i, image in enumerate(images)
    ]
    table = pa.table({"image": column, "label": np.arange(len(images)) % CLASSES})
    pq.write_table(table, root / "train.parquet", row_group_size=1_000)
    return root


def _webdataset(images: list[np.ndarray], root: Path) -> Path:
    root.mkdir()
    with tarfile.open(root / "train-000000.tar", "w") as shard:
        for i, image in enumerate(images):
            for suffix, data in (("jpg", _encoded(Image.fromarray(image))), ("cls", b"%d" % (i % CLASSES))):
                member = tarfile.TarInfo(f"{i:06d}.{suffix}")
                member.size = len(data)
                shard.addfile(member, io.BytesIO(data))
    return root


def _arrays(images: list[np.ndarray], root: Path) -> Path:
    root.mkdir()
    np.savez(root / "images.npz", x_train=np.stack(images), y_train=np.arange(len(images)) % CLASSES)
    return root / "images.npz"


_NOTE = f"{SIDE} to 64 px, with the digests of all images"
_WRITERS: dict[str, Callable[[list[np.ndarray], Path], Path]] = {
    "folder": _folder,
    "zip": _zip,
    "parquet": _parquet,
    "webdataset": _webdataset,
    "arrays": _arrays,
}


def _prepared(config: DataConfig) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return cpu_seconds(lambda: prepare(config, Folder.at(folder), backend="local"))


def _read(config: DataConfig, images: int) -> None:
    source = open_source(config)
    assert is_iterable(source)
    samples = (sample for piece in range(len(source.pieces)) for sample in source.read(piece))
    contents = (sample.content for sample in samples)
    opened = [open_image(each).convert("RGB").size for each in contents if isinstance(each, bytes)]
    assert len(opened) == images


def _tiny_files(root: Path, count: int) -> list[str]:
    """PNGs of a few bytes in folders of classes; their names below `root`."""
    data = _encoded(Image.new("L", (8, 8)), "PNG")
    names = [f"class-{i % CLASSES}/{i // CLASSES % 100:02d}/{i:07d}.png" for i in range(count)]
    for folder in {name.rpartition("/")[0] for name in names}:
        (root / folder).mkdir(parents=True)
    for name in names:
        (root / name).write_bytes(data)
    return names


def _planned(source: str, settings: dict[str, str], note: str) -> Measurement:
    config = DataConfig.model_validate({"source": source} | settings)

    def plan() -> None:
        catalog = Catalog(Folder.at("/nowhere"))
        for ask in (catalog.key, catalog.contents, catalog.classes):
            ask(config)

    spent = [cpu_seconds(plan) for _ in range(3)]
    return measured(f"data.plan_seconds.{source}", spent, "CPU-s", note=note, clock="processor")
