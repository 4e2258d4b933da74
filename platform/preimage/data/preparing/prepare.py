"""Preparation: decode and resize every image once, into shards of uint8."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from preimage.config import Resources
from preimage.data.config import SOURCES, DataConfig
from preimage.data.dataset import MANIFEST, Dataset, fingerprint
from preimage.data.decoding.sixteen_bits import Levels, total
from preimage.data.inventory import left_out_text
from preimage.data.preparing.content import identity
from preimage.data.preparing.decoded import Skipped
from preimage.data.preparing.images_writer import rows_of, write_images
from preimage.data.preparing.prepared import find, folder_of, key_of, remember, similar
from preimage.data.preparing.shard_plan import ShardPlan, plan_shards
from preimage.data.preparing.unpack import unpacked_rows
from preimage.data.preparing.worker import (
    UNPACKED,
    ContentReader,
    Reader,
    ShardWriter,
    Unpacker,
    pieces_of,
)
from preimage.data.sources.base import AnySource, is_iterable
from preimage.data.sources.file_state import placed
from preimage.data.sources.open import OpenSource, is_gone, locate, name_without_files, open_source
from preimage.errors import DataError
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder, as_json
from preimage.storage.formats import DATASET
from preimage.storage.removal import unmark
from preimage.work.pieces import run_pieces

log = logging.getLogger(__name__)

IN_PROCESS = 2048
"""Up to this many images are prepared in this process even with Ray, whose start would take longer."""

Progress = Callable[[str], Callable[[int, int], None]]
"""Starts a task that a user can watch; returns what to call with the number done and the total."""

_NAMED = 20  # unreadable images in a message


def prepare(
    config: DataConfig,
    datasets: Folder,
    *,
    workers: int = 1,
    cpus: int = 1,
    backend: Literal["ray", "local"] = "ray",
    progress: Progress = lambda task: lambda done, total: None,
    open_source: OpenSource = open_source,
) -> Dataset:
    """The dataset of a config's images: an earlier one of the same content, or a new one in `datasets`.

    Keeps the finished shards of a preparation that was killed. With Ray, `workers * cpus` processes of one
    core decode. `progress(task)` is called as each task begins, and what it returns with the number of images
    that are done and the total. Raises DataError for missing or unreadable images, StorageError if the folder
    cannot be written.
    """
    name = name_without_files(config)
    if is_gone(config) and (dataset := find(config, name, datasets)):
        log.warning("%s is gone: the images that were prepared from it are used", config.path)
        require_all_read(config, dataset)
        return dataset
    located = locate(config)
    source = open_source(located)
    state = placed(source.signature.state, config)
    dataset = find(config, state, datasets)
    if dataset is None:
        folder, key = folder_of(config, state, datasets), key_of(config, state)
        plan = plan_shards(config, key, len(source))
        _ = source.contents  # raises what its labels rule out, before any image is read
        if plan.images == 0:
            raise DataError(f"{config.source} {config.split} holds no images")
        workers = workers * cpus if backend == "ray" and plan.images > IN_PROCESS else 0
        resources = Resources(backend="ray" if workers else "local", workers=max(1, workers), gpu=False)
        with claimed(folder) as (held, _):
            work = _Preparation(config, Reader(located, source), plan, held, resources, progress)
            unmark(folder)  # what a removal left is prepared again
            dataset = find(config, state, datasets)
            if dataset is None and (dataset := work.same_as(similar(config, source.signature, datasets))):
                (folder / UNPACKED).delete()  # by an attempt before the other dataset was made
                remember(config, state, dataset, datasets)
            dataset = dataset or work.make()
    _remove_unpacked(dataset.folder)
    if not config.kind.package and find(config, name, datasets) != dataset:
        remember(config, name, dataset, datasets)  # so that it is found where the files are not, or are gone
    require_all_read(config, dataset)
    return dataset


def require_all_read(config: DataConfig, dataset: Dataset) -> None:
    """Raise DataError if a dataset lacks images that were unreadable, and the config does not skip these."""
    if config.on_error == "stop":
        _refuse(dataset.skipped, dataset.count + len(dataset.skipped))


def needs_ray(config: DataConfig, datasets: Folder, open_source: OpenSource = open_source) -> bool:
    """Whether `prepare` would use Ray: there is more work than its start takes. Raises DataError."""
    if is_gone(config) and find(config, name_without_files(config), datasets):
        return False
    source = open_source(locate(config))
    if find(config, placed(source.signature.state, config), datasets):
        return False
    return min(len(source), config.max_images or len(source)) > IN_PROCESS


@dataclass(frozen=True)
class _Preparation:
    """One preparation, once it is clear that the images have to be read."""

    config: DataConfig
    reader: Reader
    plan: ShardPlan
    folder: Folder
    resources: Resources
    progress: Progress

    @property
    def source(self) -> AnySource:
        return self.reader.source

    def same_as(self, datasets: list[Dataset]) -> Dataset | None:
        """The dataset that was made from images of the same content. They are read once for all datasets."""
        pieces = len(pieces_of(self.source)) or self.plan.shards
        before = [dataset.manifest["read"] for dataset in datasets if len(dataset.manifest["read"]) == pieces]
        if not before:
            return None
        known = [{each["state"]: each["content"] for each in piece} for piece in zip(*before, strict=True)]
        work = ContentReader(self.reader, self.plan, known)
        identity = self._identity(self._run("comparing images", work, pieces))
        return next((dataset for dataset in datasets if dataset.identity == identity), None)

    def make(self) -> Dataset:
        """Read and decode what an earlier attempt did not."""
        unpacked = []
        if pieces := len(pieces_of(self.source)):
            unpacked = self._run("reading images", Unpacker(self.reader, self.plan, self.folder), pieces)
        work = ShardWriter(self.reader, self.plan, self.folder)
        records = self._run("preparing images", work, self.plan.shards)
        return self._complete(records, unpacked)

    def _run(self, task: str, work: Any, pieces: int) -> list[Any]:
        found = dict(run_pieces(work, range(pieces), self.resources, self.progress(task)))
        return [found[piece] for piece in range(pieces)]

    def _identity(self, contents: list[str]) -> str:
        return identity(contents, self.source.classes, self.source.columns)

    def _complete(self, records: list[Any], unpacked: list[Any]) -> Dataset:
        """Write images.parquet, then the manifest, which completes the dataset."""
        config, source = self.config, self.source
        skipped = [image for record in records for image in record["skipped"]]
        skipped.sort(key=lambda image: image["image_id"])
        if config.on_error == "stop" or len(skipped) == self.plan.images:
            _refuse(skipped, self.plan.images)
        if skipped:
            many = f"{len(skipped):,} images cannot be read and are"
            what = "1 image cannot be read and is" if len(skipped) == 1 else many
            log.warning("%s skipped:\n%s", what, _named(skipped))
        for each in source.contents.left_out:
            log.warning("%s %s: not read %s", config.source, config.split, left_out_text(each))
        names = ("file", "rows", "bytes", "sha256", "content")
        shards = [{name: record[name] for name in names} for record in records]
        read = [record["read"] for record in unpacked]
        read += [piece for record in records for piece in record["read"]]
        levels = total(Levels(**record["levels"]) for record in (unpacked or records))
        notes = [*source.contents.notes, *levels.warnings(config.white)]
        for note in notes:
            log.warning("%s %s: %s", config.source, config.split, note)
        manifest = {
            **DATASET.stamp(),
            "key": self.plan.key,
            "identity": self._identity([piece["content"] for piece in read]),
            "listing": source.signature.listing,
            "fingerprint": fingerprint(shards),
            "config": config.model_dump(mode="json"),
            "classes": source.classes,
            "class_counts": self._write_images(skipped),
            "splits": dict(source.contents.splits),
            "notes": notes,
            "left_out": [asdict(each) for each in source.contents.left_out],
            "available": self.plan.available,
            "count": sum(record["rows"] for record in records),
            "size": config.size,
            "channels": config.channels,
            "shards": shards,
            "read": read,
            "skipped": skipped,
        }
        if plugin := SOURCES.plugin(config.source):
            manifest["plugins"] = dict([plugin])
        self.folder.commit(MANIFEST, as_json(manifest))
        return Dataset.open(self.folder)

    def _write_images(self, skipped: list[Skipped]) -> list[int]:
        source, folder = self.source, self.folder / UNPACKED
        if is_iterable(source):
            tables = (unpacked_rows(piece, folder) for piece in range(len(source.pieces)))
        else:
            tables = rows_of(source, self.plan, (image["image_id"] for image in skipped))
        return write_images(self.folder, tables, source.columns, len(source.classes))


def _remove_unpacked(folder: Folder) -> None:
    """Remove what a finished dataset needs no more, also if the process that finished it was killed then."""
    if (folder / UNPACKED).exists():
        with claimed(folder, brief=True):
            (folder / UNPACKED).delete()


def _refuse(skipped: list[Skipped], images: int) -> None:
    """Raise DataError if an image could not be read."""
    if not skipped:
        return
    remedy = (
        "Repair or remove them"
        if len(skipped) == images
        else "Repair or remove them, or skip them with data.on_error=skip"
    )
    raise DataError(f"{len(skipped):,} of {images:,} images cannot be read:\n{_named(skipped)}\n{remedy}.")


def _named(skipped: list[Skipped]) -> str:
    """The first of them by name, and why."""
    named = "\n".join(f"  {image['name']}: {image['error']}" for image in skipped[:_NAMED])
    return named + (f"\n  and {len(skipped) - _NAMED:,} more" if len(skipped) > _NAMED else "")
