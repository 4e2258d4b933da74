"""Preparation: decode and resize every image once, into shards of uint8."""

from collections.abc import Callable
from typing import Any, Literal

from preimage.config import Resources
from preimage.data.config import DataConfig
from preimage.data.dataset import FORMAT, MANIFEST, Dataset, fingerprint
from preimage.data.shards import ShardPlan, Skipped, plan_shards
from preimage.data.sources import OpenSource, Source, locate, open_source, source_signature
from preimage.data.worker import ShardWriter
from preimage.errors import DataError
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.storage.locks import locked
from preimage.work.pieces import run_pieces

IN_PROCESS = 2048
"""Up to this many images are prepared in this process even with Ray, whose start would take longer."""

_NAMED = 20  # unreadable images in a message


def dataset_key(config: DataConfig, open_source: OpenSource = open_source) -> str:
    """Identifies a prepared dataset before it exists: its settings and the files they select.

    Raises DataError if the source's files are missing.
    """
    settings = config.model_dump(mode="json", exclude={"path", "on_error"})
    return digest(canonical_json([FORMAT, settings, source_signature(config, open_source)]).encode())


def dataset_name(config: DataConfig, key: str | None = None) -> str:
    """The folder's name: `<source>-<split>-<size>px-<key>`, with `<height>x<width>` if they differ."""
    size = config.size if isinstance(config.size, int) else "x".join(map(str, config.size))
    return f"{config.source}-{config.split}-{size}px-{(key or dataset_key(config))[:10]}"


def prepare(
    config: DataConfig,
    datasets: Folder,
    *,
    workers: int = 1,
    cpus: int = 1,
    backend: Literal["ray", "local"] = "ray",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    open_source: OpenSource = open_source,
) -> Dataset:
    """Make the dataset in `datasets / dataset_name(config)`, or reuse it if nothing changed.

    Keeps the finished shards of a preparation that was killed. With Ray, `workers * cpus` processes of one
    core decode. `on_progress(done, total)` counts images. Raises DataError for missing or unreadable images,
    StorageError if the folder cannot be written.
    """
    key = dataset_key(config, open_source)
    folder = datasets / dataset_name(config, key)
    finished = _finished(folder, key)
    if finished is None:
        with locked(folder):
            finished = _finished(folder, key) or _make(
                config, key, folder, workers * cpus if backend == "ray" else 0, on_progress, open_source
            )
    if config.on_error == "stop":
        _refuse(finished.skipped, finished.count + len(finished.skipped))
    return finished


def _finished(folder: Folder, key: str) -> Dataset | None:
    try:
        dataset = Dataset.open(folder)
    except DataError:  # unfinished, or a shard is missing: prepare again
        return None
    return dataset if dataset.key == key else None


def _make(
    config: DataConfig,
    key: str,
    folder: Folder,
    workers: int,
    on_progress: Callable[[int, int], None],
    open_source: OpenSource,
) -> Dataset:
    located = locate(config)
    source = open_source(located)
    plan = plan_shards(config, key, len(source))
    if plan.images == 0:
        raise DataError(f"{config.source} {config.split} holds no images")
    work = ShardWriter(located, source, plan, folder)
    backend = "ray" if workers and plan.images > IN_PROCESS else "local"
    resources = Resources(backend=backend, workers=max(1, workers), gpu=False)
    records = dict(run_pieces(work, range(plan.shards), resources, on_progress))
    return _complete(config, source, plan, [records[shard] for shard in range(plan.shards)], folder)


def _complete(
    config: DataConfig, source: Source, plan: ShardPlan, records: list[Any], folder: Folder
) -> Dataset:
    """Write the manifest, which completes the dataset."""
    skipped = [image for record in records for image in record["skipped"]]
    if config.on_error == "stop" or len(skipped) == plan.images:
        _refuse(skipped, plan.images)
    shards = [
        {name: record[name] for name in ("file", "rows", "bytes", "sha256", "content")} for record in records
    ]
    manifest = {
        "format": FORMAT,
        "key": plan.key,
        "fingerprint": fingerprint(shards),
        "config": config.model_dump(mode="json"),
        "classes": source.classes,
        "count": sum(record["rows"] for record in records),
        "size": config.size,
        "channels": config.channels,
        "shards": shards,
        "skipped": skipped,
    }
    folder.write_json(MANIFEST, manifest)
    return Dataset.open(folder)


def _refuse(skipped: list[Skipped], images: int) -> None:
    """Raise DataError if an image could not be read."""
    if not skipped:
        return
    named = "\n".join(f"  {image['name']}: {image['error']}" for image in skipped[:_NAMED])
    more = f"\n  and {len(skipped) - _NAMED:,} more" if len(skipped) > _NAMED else ""
    remedy = (
        "Repair or remove them"
        if len(skipped) == images
        else "Repair or remove them, or skip them with data.on_error=skip"
    )
    raise DataError(f"{len(skipped):,} of {images:,} images cannot be read:\n{named}{more}\n{remedy}.")
