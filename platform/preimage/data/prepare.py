"""Preparation: decode and resize every image once, into shards of uint8."""

from collections.abc import Callable, Iterator
from typing import Literal

from preimage.data.config import DataConfig
from preimage.data.dataset import FORMAT, MANIFEST, Dataset, fingerprint
from preimage.data.shards import Plan, Record, Skipped, plan_shards, read_record
from preimage.data.sources import Source, locate, open_located, source_signature
from preimage.data.worker import ShardWriter
from preimage.errors import DataError
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.storage.locks import locked

IN_PROCESS = 2048
"""This many images are prepared here even with Ray: a pipeline's start takes longer than they do."""

_NAMED = 20  # offenders in a message


def dataset_key(config: DataConfig) -> str:
    """What identifies a prepared dataset before it is made: its settings and which files they mean.

    Raises DataError where the source's files are missing.
    """
    settings = config.model_dump(mode="json", exclude={"path", "on_error"})
    return digest(canonical_json([FORMAT, settings, source_signature(config)]).encode())


def dataset_name(config: DataConfig) -> str:
    """`<source>-<split>-<size>px-<key>`, the folder's name."""
    return _name(config, dataset_key(config))


def prepare(
    config: DataConfig,
    datasets: Folder,
    *,
    workers: int = 1,
    cpus: int = 1,
    backend: Literal["ray", "local"] = "ray",
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Make the dataset in `datasets / dataset_name(config)`, or take it as it is if nothing changed.

    Finished shards of a preparation that was killed are kept. With Ray, `workers * cpus` processes of one
    core decode. `progress(done, total)` counts images. Raises DataError for missing or unreadable images,
    StorageError where the folder cannot be written.
    """
    key = dataset_key(config)
    folder = datasets / _name(config, key)
    finished = _finished(folder, key)
    if finished is None:
        with locked(folder):
            finished = _finished(folder, key) or _make(
                config, key, folder, workers * cpus if backend == "ray" else 0, progress
            )
    if config.on_error == "stop":
        _refuse(finished.skipped, finished.count + len(finished.skipped))
    return finished


def _name(config: DataConfig, key: str) -> str:
    return f"{config.source}-{config.split}-{config.size}px-{key[:10]}"


def _finished(folder: Folder, key: str) -> Dataset | None:
    try:
        dataset = Dataset.open(folder)
    except DataError:  # not finished, or a shard was lost: made again
        return None
    return dataset if dataset.key == key else None


def _make(
    config: DataConfig, key: str, folder: Folder, actors: int, progress: Callable[[int, int], None] | None
) -> Dataset:
    located = locate(config)
    source = open_located(located)
    plan = plan_shards(config, key, len(source))
    if plan.images == 0:
        raise DataError(f"{config.source} {config.split} holds no images")
    records = {shard: record for shard in range(plan.shards) if (record := read_record(plan, shard, folder))}
    todo = [shard for shard in range(plan.shards) if shard not in records]
    write = ShardWriter(located, source, plan, folder)
    done = sum(record["images"] for record in records.values())
    _tell(progress, done, plan)
    for record in _run(write, todo, actors if plan.images > IN_PROCESS else 0):
        records[_shard_of(record)] = record
        done += record["images"]
        _tell(progress, done, plan)
    return _complete(config, source, plan, [records[shard] for shard in range(plan.shards)], folder)


def _run(write: ShardWriter, todo: list[int], actors: int) -> Iterator[Record]:
    if actors and len(todo) > 1:
        from preimage.work.actors import spread  # Ray is not needed otherwise

        yield from spread(write, todo, actors=actors)
    else:
        yield from map(write, todo)


def _complete(
    config: DataConfig, source: Source, plan: Plan, records: list[Record], folder: Folder
) -> Dataset:
    """Write the manifest, which makes the dataset whole."""
    skipped = [offender for record in records for offender in record["skipped"]]
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
    """Raise DataError where an image could not be read."""
    if not skipped:
        return
    named = "\n".join(f"  {offender['name']}: {offender['error']}" for offender in skipped[:_NAMED])
    more = f"\n  and {len(skipped) - _NAMED:,} more" if len(skipped) > _NAMED else ""
    remedy = (
        "Mend or remove them"
        if len(skipped) == images
        else "Mend or remove them, or leave them out with data.on_error=skip"
    )
    raise DataError(f"{len(skipped):,} of {images:,} images cannot be read:\n{named}{more}\n{remedy}.")


def _shard_of(record: Record) -> int:
    return int(record["file"].removeprefix("part-").removesuffix(".parquet"))


def _tell(progress: Callable[[int, int], None] | None, done: int, plan: Plan) -> None:
    if progress:
        progress(done, plan.images)
