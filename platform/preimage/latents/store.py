"""The latent store: a folder of Parquet parts, one row per image, and the manifest that completes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from preimage._version import __version__
from preimage.errors import StoreError
from preimage.latents import parquet
from preimage.latents.image_ids import span_of
from preimage.latents.local_rank import LocalRank
from preimage.latents.manifest import (
    AGAIN,
    MANIFEST,
    PLAN,
    Manifest,
    PartRecord,
    StorePlan,
    file_sizes,
    find_config,
    finished,
    finished_part,
    part_name,
    read_manifest,
    record_name,
    text_of,
    write_config,
)
from preimage.latents.schema import COLUMNS, SEARCH, About, Codes, concatenate
from preimage.storage.folder import Folder

if TYPE_CHECKING:
    from torch import Tensor

    from preimage.latents.loader import StoreLoader

log = logging.getLogger(__name__)

BEGUN_BY_ANOTHER = (
    "%s was begun by Preimage %s and is completed by %s, which may find other codes: delete it first for "
    "codes of one version"
)
LZ4_AT_MOST = 256
"""The best ratio that LZ4 can reach. A file that claims more is not ours, but a few bytes that would expand
to more codes than memory holds."""


@dataclass(frozen=True)
class Store:
    """A complete latent store, opened for reading."""

    folder: Folder
    manifest: Manifest

    @classmethod
    def open(cls, folder: Folder | str | Path) -> Store:
        """Open a store by its folder.

        Raises StoreError if there is none, or it is incomplete or lacks a part; FormatError if it is of
        another format.
        """
        folder = Folder.at(folder)
        manifest = read_manifest(folder)
        if wrong := misfits(folder, manifest):
            raise StoreError(
                f"{folder.uri} changed since it was written: {'; '.join(wrong.values())}. "
                f"{parquet.how_to_mend(folder)}"
            )
        return cls(folder, manifest)

    @classmethod
    def so_far(cls, folder: Folder) -> Store | None:
        """The parts that an unfinished store has by now, to look at; None without any. Raises StoreError."""
        plan = find_config(folder, PLAN, StorePlan)
        records = finished(folder, plan) if plan else {}
        if not plan or not sum(each.rows for each in records.values()):
            return None
        return cls(folder, Manifest.of(plan.about, [records[index] for index in sorted(records)]))

    @property
    def about(self) -> About:
        return self.manifest.about

    @property
    def count(self) -> int:
        """Images in the store."""
        return self.manifest.count

    @property
    def latent_dim(self) -> int:
        return self.about.latent_dim

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the store's content, paths aside."""
        return self.manifest.fingerprint

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"<latent store {self.folder.uri}: {self.count:,} codes of {self.latent_dim} components>"

    def batches(self, columns: Sequence[str] | None = None, rows: int = parquet.ROW_GROUP) -> Iterator[Codes]:
        """All rows in part order, at most `rows` at a time, so that memory does not grow with the store.

        columns: those to read; the others stay empty in the Codes, except image_id. None reads all.
        Raises StoreError for an unknown column, for one of a search if no search found the codes, and for an
        unreadable part.
        """
        wanted = None if columns is None else self._with_ids(columns)
        yield from parquet.batches(self.folder, self.manifest.parts, self.about, wanted, rows)

    def loader(
        self,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        *,
        window: int = parquet.WINDOW,
        rank: int = 0,
        world_size: int = 1,
        columns: Sequence[str] = ("z",),
        drop_last: bool = False,
    ) -> StoreLoader:
        """Batches for training: each epoch all codes once, in another order, without images that diverged.

            loader = store.loader(256, seed=1)
            for epoch in range(loader.epoch, 10):
                for codes in loader:
                    train(codes.z)  # (256, d) float32
                    checkpoint["loader"] = loader.state_dict()

        batch_size: codes of all workers together. window: codes that are shuffled together; it bounds the
        memory. rank, world_size: this worker and their number, as Ray Train or torch.distributed says.
        columns: those to read; the others stay empty in the Codes, except image_id. drop_last: leave out a
        last batch that is not full.
        Raises ValueError for a number out of range, StoreError for an unknown column, an unreadable part, or
        codes that do not fill a batch.
        """
        from preimage.latents.loader import StoreLoader

        return StoreLoader(
            self.folder,
            self.manifest,
            batch_size,
            shuffle=shuffle,
            seed=seed,
            window=window,
            rank=rank,
            world_size=world_size,
            columns=self._with_ids(columns),
            drop_last=drop_last,
        )

    def without_diverged(self, columns: Sequence[str], rows: int = parquet.ROW_GROUP) -> Iterator[Codes]:
        """As `batches`, without the rows of images that diverged, which no statistic counts. Of codes that no
        search found none did."""
        for codes in self.batches((*columns, "loss") if self.about.searched else columns, rows):
            yield codes[~codes.diverged]

    def require_search(self) -> None:
        """Raise StoreError if no search found the codes, so that they have no losses."""
        if not self.about.searched:
            raise StoreError(
                f"the codes in {self.folder.uri} were imported, so they have no losses and no steps of a "
                "search: invert the images to have them"
            )

    def _with_ids(self, columns: Sequence[str]) -> tuple[str, ...]:
        if set(columns) & set(SEARCH):
            self.require_search()
        if unknown := sorted(set(columns) - set(COLUMNS)):
            raise StoreError(
                f"a latent store has no column {', '.join(unknown)}; it has {', '.join(self.about.columns)}"
            )
        return tuple(dict.fromkeys(("image_id", *columns)))

    def head(self, count: int) -> Codes:
        """The first rows; fewer if the store holds fewer. Raises ValueError for a count below 1."""
        if count < 1:
            raise ValueError(f"count must be at least 1 but got {count}")
        taken: list[Codes] = []
        for codes in self.batches(rows=min(count, parquet.ROW_GROUP)):
            taken.append(codes[: count - sum(map(len, taken))])
            if sum(map(len, taken)) == count:
                break
        return concatenate(taken)

    def codes_of(self, ids: Sequence[int] | Tensor) -> Tensor:
        """The codes (n, d) float32 of these images, in that order; ids may repeat. Of the codes only the row
        groups that hold them are read.

        Raises StoreError for images that are not in the store, or whose search diverged.
        """
        from preimage.latents.code_rows import CodeRows  # imports torch

        return CodeRows.of(self).codes(ids).z


class RowReader(Protocol):
    """Gathers something of a store's rows."""

    @property
    def columns(self) -> Sequence[str]:
        """Those that it needs."""
        ...

    def add(self, codes: Codes) -> None:
        """Take the next rows; called in the order of the parts, for each of their row groups."""
        ...


class StoreWriter:
    """Writes a store part by part, from any number of processes.

    The plan fixes the number of parts, their names and the total of rows. The caller decides which images go
    into which part, and must decide the same on every run. A part counts once its record is written, so
    whatever dies, done() tells what is left. Holds no open file: it can be pickled and sent to a worker.
    """

    def __init__(self, folder: Folder | str | Path, about: About, parts: int, count: int) -> None:
        """Write the plan, or resume the one in the folder.

        parts: files in the store. count: images in the store.
        Raises StoreError, listing the differences, if the folder holds a store of another plan.
        """
        self.folder = folder if isinstance(folder, Folder) else Folder.at(folder)
        self.plan = _resume_plan(self.folder, StorePlan(about=about, parts=parts, count=count))

    def done(self) -> set[int]:
        """The parts that are already written."""
        return set(finished(self.folder, self.plan))

    def write(self, index: int, codes: Codes) -> PartRecord:
        """Write one part, whole or not at all. Skips a part that is already written: a worker that was taken
        for dead must not touch a store that others have finished.

        Raises StoreError for codes of the wrong shape or type, non-finite codes, or duplicate images; a loss
        may be NaN, for an image that diverged.
        """
        if not 0 <= index < self.plan.parts:
            raise StoreError(f"the part must be between 0 and {self.plan.parts - 1} but got {index}")
        if written := finished_part(self.folder, index):
            return written
        size, sha256 = parquet.write(codes, self.plan.about, self.folder, part_name(index))
        record = _record_of(index, codes, self.plan.about, size, sha256)
        write_config(self.folder, record_name(index), record)
        return record

    def written(self) -> Store:
        """The store before its manifest is written, to read what it holds. Raises StoreError if parts are
        missing, or the row count differs from the plan."""
        records = finished(self.folder, self.plan)
        if missing := sorted(set(range(self.plan.parts)) - records.keys()):
            named = ", ".join(part_name(index) for index in missing[:5])
            raise StoreError(
                f"{self.folder.uri} has {len(records)} of {self.plan.parts} parts, without {named}; {AGAIN}"
            )
        ordered = [records[index] for index in sorted(records)]
        manifest = Manifest.of(self.plan.about, ordered)
        if manifest.count != self.plan.count:
            raise StoreError(
                f"{self.folder.uri} holds {manifest.count} images, but its plan says {self.plan.count}"
            )
        return Store(self.folder, manifest)

    def finish(
        self,
        local_rank: LocalRank | None = None,
        reader: RowReader | None = None,
        written: Store | None = None,
    ) -> Store:
        """Check all rows, and write the manifest.

        local_rank: what was measured at the codes. reader: sees the rows as they are read for the check, so
        that they are read once. written: what `written` returned, which else is asked for. Raises StoreError
        as it does, for a part that does not match its record, or if an image occurs twice.
        """
        manifest = (self.written() if written is None else written).manifest
        if local_rank:
            manifest = manifest.with_local_rank(local_rank)
        columns = reader.columns if reader else ()
        for codes in parquet.checked(self.folder, manifest.about, manifest.parts, columns):
            if reader:
                reader.add(codes)
        spans = [record.span for record in manifest.parts if record.rows]
        if repeated := parquet.repeated_ids(self.folder, manifest.about, manifest.parts, spans):
            raise StoreError(
                f"images {repeated} are in {self.folder.uri} more than once; no image may be in two parts"
            )
        self.folder.commit(MANIFEST, text_of(manifest))
        return Store(self.folder, manifest)


def misfits(folder: Folder, manifest: Manifest) -> dict[str, str]:
    """What is wrong with the files, by name: missing, of the wrong size, too small for its rows, listed
    twice, or not in the manifest."""
    sizes = file_sizes(folder)
    found: dict[str, str] = {}
    named: set[str] = set()
    for record in manifest.parts:
        if record.file in named:
            found[record.file] = f"{record.file} is in the manifest twice"
        elif record.file not in sizes:
            found[record.file] = f"{record.file} is missing"
        elif sizes[record.file] != record.bytes:
            found[record.file] = f"{record.file} has {sizes[record.file]} bytes, expected {record.bytes}"
        elif record.rows * (manifest.about.latent_dim + 2) * 4 > record.bytes * LZ4_AT_MOST:
            found[record.file] = f"{record.file} cannot hold {record.rows} rows in {record.bytes} bytes"
        named.add(record.file)
    known = {record.file for record in manifest.parts}
    unlisted = [name for name in sizes if name.endswith(".parquet") and name not in known]
    return found | {name: f"{name} is not in the manifest" for name in unlisted}


def _resume_plan(folder: Folder, plan: StorePlan) -> StorePlan:
    existing = find_config(folder, PLAN, StorePlan)
    if existing is None:
        if folder.exists(MANIFEST):
            raise StoreError(f"{folder.uri} holds a store without {PLAN}; choose another folder")
        plan = plan.by_this_version()
        write_config(folder, PLAN, plan)
        return plan
    if differences := existing.differences(plan):
        changes = "\n  ".join(differences)
        raise StoreError(
            f"{folder.uri} holds a store of another plan (existing -> new):\n  {changes}\n"
            "Choose another folder, or delete this one."
        )
    before = existing.about.preimage
    if before != __version__ and not folder.exists(MANIFEST) and finished(folder, existing):
        log.warning(BEGUN_BY_ANOTHER, folder.uri, before or "of an earlier version", __version__)
    return existing


def _record_of(index: int, codes: Codes, about: About, size: int, sha256: str) -> PartRecord:
    return PartRecord(
        file=part_name(index),
        rows=len(codes),
        bytes=size,
        sha256=sha256,
        rows_sha256=parquet.rows_digest([codes]),
        span=span_of(codes.image_id, about.available),
    )
