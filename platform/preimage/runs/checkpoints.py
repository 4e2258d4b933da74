"""Checkpoints: one folder each, on any filesystem, written by all workers and committed by the first.

A checkpoint is `shared.pt` (the networks and optimisers, the same on every worker), one `rank-R-of-W.pt` per
worker (its own state, such as a code for each of its images) and `meta.json`, which lists the files with
their digests and is written last: a folder without it does not count.
"""

import io
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, Field, ValidationError

from preimage.errors import CheckpointError, StorageError
from preimage.storage.folder import Folder, as_json, canonical_json, digest
from preimage.storage.formats import CHECKPOINT

log = logging.getLogger(__name__)

KEEP_LATEST = 2
"""One more than needed, in case the newest is damaged."""


class Group(Protocol):
    """The workers that write a checkpoint together, as seen by one of them."""

    @property
    def rank(self) -> int: ...
    @property
    def world_size(self) -> int: ...
    @property
    def is_main(self) -> bool: ...
    def gather(self, value: Any) -> list[Any]: ...


class _Meta(BaseModel):
    """The fields of meta.json that are relied on."""

    images: Annotated[int, Field(ge=0)]
    world_size: Annotated[int, Field(ge=1, le=1_000_000)]
    files: dict[Annotated[str, Field(pattern=r"^(shared|rank-\d+-of-\d+)\.pt$")], str]
    config: dict[str, Any]
    score: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A committed checkpoint."""

    folder: Folder
    meta: dict[str, Any]

    @property
    def images(self) -> int:
        return self.meta["images"]

    @property
    def world_size(self) -> int:
        return self.meta["world_size"]

    @property
    def fingerprint(self) -> str:
        """Identifies the content."""
        return digest(canonical_json(self.meta["files"]).encode())

    def shared(self) -> dict[str, Any]:
        return self._load("shared.pt")

    @property
    def owns(self) -> Sequence[dict[str, Any]]:
        """Each worker's own state, by rank; read on access."""
        return _Owns(self)

    def own(self, rank: int) -> dict[str, Any]:
        return self._load(_own_name(rank, self.world_size))

    def _load(self, name: str) -> dict[str, Any]:
        import torch

        data = self.folder.read(name)
        if digest(data) != self.meta["files"].get(name):
            raise CheckpointError(f"{self.folder / name} is truncated or altered")
        try:
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:  # the digest has the same author; torch may raise anything
            raise CheckpointError(f"{self.folder / name} is not a checkpoint of this program") from error


@dataclass(frozen=True)
class _Owns(Sequence[dict[str, Any]]):
    checkpoint: Checkpoint

    def __len__(self) -> int:
        return self.checkpoint.world_size

    def __getitem__(self, rank: Any) -> Any:
        return self.checkpoint.own(rank)


def save(
    folder: Folder, worker: Group, shared: dict[str, Any], own: dict[str, Any], meta: dict[str, Any]
) -> None:
    """Write one checkpoint. Every worker calls this; when it returns, the checkpoint is committed for all.

    `meta` holds at least `images`, the images seen, and `config`, which a resume must match.
    """
    target = folder / f"{meta['images']:012d}"
    files = {_own_name(worker.rank, worker.world_size): own} | (
        {"shared.pt": shared} if worker.is_main else {}
    )
    digests = {name: _write(target, name, state) for name, state in files.items()}
    everyone = {name: value for part in worker.gather(digests) for name, value in part.items()}
    if worker.is_main:
        written = {"world_size": worker.world_size, "files": everyone}
        target.commit("meta.json", as_json(CHECKPOINT.stamp() | meta | written))
    worker.gather(None)


def committed(folder: Folder) -> list[Checkpoint]:
    """The complete checkpoints of a training run, oldest first.

    Raises FormatError if one is of another format: no training run may begin anew beside it, or remove it.
    """
    found = [_opened(folder / name) for name in folder.names() if name.isdigit()]
    return [each for each in found if each]


def _opened(folder: Folder) -> Checkpoint | None:
    try:
        meta = folder.find_json("meta.json")
        if meta is None:
            return None
        CHECKPOINT.require(meta, folder)
        _Meta.model_validate(meta)
    except (StorageError, ValidationError) as error:
        log.warning("checkpoint %s is skipped: %s", folder.uri, error)
        return None
    return Checkpoint(folder, meta)


def newest(folder: Folder) -> Checkpoint | None:
    """The newest intact checkpoint. Skips damaged ones, with a warning."""
    for checkpoint in reversed(committed(folder)):
        damaged = _damaged(checkpoint)
        if not damaged:
            return checkpoint
        log.warning("checkpoint %s is skipped: %s is missing or altered", checkpoint.folder.uri, damaged)
    return None


def best(folder: Folder, lowest: bool) -> Checkpoint | None:
    """The checkpoint with the best score; one without a score, or with NaN for it, never counts."""
    return _best(committed(folder), lowest)


def _best(found: list[Checkpoint], lowest: bool) -> Checkpoint | None:
    scored = [each for each in found if _has_score(each)]
    pick = min if lowest else max
    return pick(scored, key=lambda each: each.meta["score"], default=None)


def _has_score(checkpoint: Checkpoint) -> bool:
    score = checkpoint.meta.get("score")
    return score is not None and not math.isnan(score)


def prune(folder: Folder, lowest: bool) -> None:
    """Keep the latest and the best; remove the others, and whatever was never committed."""
    found = committed(folder)
    kept = [*found[-KEEP_LATEST:], _best(found, lowest)]
    names = {each.folder.path for each in kept if each}
    for name in folder.names():
        if name.isdigit() and (folder / name).path not in names:
            (folder / name).delete()


def require_same(checkpoint: Checkpoint, config: dict[str, Any]) -> None:
    """Raise CheckpointError, listing the differences, if resuming would change the training run."""
    differences = list(_differences(checkpoint.meta["config"], config))
    if differences:
        raise CheckpointError(
            f"cannot resume {checkpoint.folder.uri}: its config differs from the spec's:\n"
            + "\n".join(f"  {line}" for line in differences)
            + "\nUndo the change, or train from scratch in another folder (preimage run --fresh)."
        )


def _differences(before: Any, now: Any, path: str = "") -> Any:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif before != now:
        yield f"{path}: was {before!r}, is {now!r}"


def _damaged(checkpoint: Checkpoint) -> str | None:
    for name, expected in checkpoint.meta["files"].items():
        try:
            if digest(checkpoint.folder.read(name)) != expected:
                return name
        except StorageError:
            return name
    return None


def _write(folder: Folder, name: str, state: dict[str, Any]) -> str:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getbuffer()
    folder.write(name, data)
    return digest(data)


def _own_name(rank: int, world_size: int) -> str:
    return f"rank-{rank}-of-{world_size}.pt"
