"""Make a latent store of a file of vectors: check all of it first, then write part by part."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from preimage.data.dataset import Dataset
from preimage.data.known_images import KnownImages
from preimage.errors import StoreError
from preimage.importing.tables.labels import CLASSES, classes_in, ids_of, labels_of
from preimage.importing.tables.open_table import open_table
from preimage.importing.tables.table import Columns, Rows, Table
from preimage.inversion.dataset import dataset_info
from preimage.latents.image_ids import repeated
from preimage.latents.manifest import state
from preimage.latents.parquet import ROW_GROUP
from preimage.latents.priors import PRIORS
from preimage.latents.schema import UNLABELLED, About, Codes, GeneratorInfo, ImportInfo
from preimage.latents.store import Store, StoreWriter
from preimage.models.cards import GeneratorCard
from preimage.models.config import ImportedConfig
from preimage.storage.folder import Folder

PART = 1 << 26
"""Bytes of codes in a part, at most: it is in memory as a whole."""

Progress = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True)
class Origin:
    """What is known of the codes beside their table."""

    generator: Folder | None = None
    card: GeneratorCard | None = None
    """The generator's."""
    images: Dataset | None = None
    prior: str | None = None
    """A fixed prior's name, for codes of no generator."""


@dataclass(frozen=True)
class ImportedCodes:
    """A latent store that an import wrote."""

    store: Store
    notes: tuple[str, ...]
    """What was chosen, changed or found on the way."""


def import_codes(
    path: Path,
    folder: Folder,
    columns: Columns,
    origin: Origin = Origin(),
    progress: Progress = lambda task: lambda done, total: None,
) -> ImportedCodes:
    """Make a latent store of a Parquet, .npy or .safetensors file; resume one that was interrupted.

    Memory does not grow with the file, but the ids, labels and names of images that are known are held.
    Raises StoreError, one sentence, for a file that cannot be imported, or another store in the folder;
    nothing is written then.
    """
    table = open_table(path, columns)
    _require_ids(table, origin)
    _require_prior(origin)
    _require_generator(origin, table)
    source = _Source(table, KnownImages(origin.images) if origin.images else None)
    classes = source.check(progress("checking"))
    about = _about(path, table, origin, classes)
    parts = -(-table.count // source.at_once)
    writer = StoreWriter(folder, about, parts, table.count)
    notes = _notes(table, origin, classes)
    if state(folder) == "whole":
        return ImportedCodes(Store.open(folder), (*notes, "it was there already: nothing was written"))
    advance = progress("writing")
    for part, codes in enumerate(source.codes(classes)):
        writer.write(part, codes)
        advance(min((part + 1) * source.at_once, table.count), table.count)
    return ImportedCodes(writer.finish(), notes)


class _Source:
    """A table's rows as codes."""

    def __init__(self, table: Table, images: KnownImages | None) -> None:
        self.table, self.images = table, images
        self.at_once = max(1, min(ROW_GROUP, PART // (4 * prod(table.shape))))
        """Rows of a part."""

    def check(self, advance: Callable[[int, int], None]) -> tuple[str, ...]:
        """Read everything once; returns the class names, if labels are texts without images. Raises
        StoreError for what `rows` and `ids_of` refuse, and for ids that occur more than once."""
        columns, found = self.table.columns, set[str]()
        for rows in self._rows("z", "id", "label"):
            self._ids(rows)
            if rows.label is not None:
                found |= classes_in(rows.label, str(columns.label))
                if len(found) > CLASSES:
                    raise StoreError(f"{columns.label} holds over {CLASSES:,} texts: labels are classes")
                labels_of(rows.label, str(columns.label), rows.start, self._classes(found))
            advance(rows.start + rows.count, self.table.count)
        if columns.id and (twice := repeated(self._all_ids, self.table.count)):
            named = ", ".join(map(str, twice))
            raise StoreError(f"{columns.id} holds ids more than once: {named}; a store has each image once")
        return () if self.images else tuple(sorted(found))

    def codes(self, classes: tuple[str, ...]) -> Iterator[Codes]:
        """The parts in order."""
        for rows in self._rows("z", "id", "label"):
            assert rows.z is not None
            ids = self._ids(rows)
            z = torch.from_numpy(rows.z.reshape(rows.count, -1))
            labels = torch.from_numpy(self._labels(rows, ids, classes).copy())
            yield Codes.without_search(torch.from_numpy(ids.copy()), labels, z)

    def _rows(self, *parts: str) -> Iterator[Rows]:
        there = [part for part in parts if part == "z" or getattr(self.table.columns, part)]
        return self.table.rows(there, self.at_once)

    def _all_ids(self) -> Iterator[Tensor]:
        return (torch.from_numpy(self._ids(rows).copy()) for rows in self.table.rows(("id",), ROW_GROUP))

    def _ids(self, rows: Rows) -> np.ndarray:
        if rows.id is not None:
            return ids_of(rows.id, str(self.table.columns.id), rows.start, self.images)
        ids = np.arange(rows.start, rows.start + rows.count, dtype=np.int64)
        if self.images:
            self.images.require(ids, rows.start)
        return ids

    def _labels(self, rows: Rows, ids: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
        if rows.label is not None:
            return labels_of(rows.label, str(self.table.columns.label), rows.start, self._classes(classes))
        return self.images.labels(ids) if self.images else np.full(len(ids), UNLABELLED, np.int32)

    def _classes(self, own: set[str] | tuple[str, ...]) -> list[str]:
        """By label: the images', or else the table's own."""
        return self.images.dataset.classes if self.images else sorted(own)


def _require_ids(table: Table, origin: Origin) -> None:
    """Raise StoreError where nothing says which image each row's code is of: rows may be in any order."""
    if not origin.images or table.columns.id:
        return
    if table.columns.z is not None:
        raise StoreError("which image is each row's code of? Name the column of their ids or names with --id")
    if table.count != origin.images.available:
        raise StoreError(
            f"an array has a row for each image in order, but this has {table.count:,} and the images are "
            f"{origin.images.available:,}: give a table, and the column of their ids with --id"
        )


def _require_prior(origin: Origin) -> None:
    if origin.prior and origin.card:
        raise StoreError("the codes of a generator have its prior: leave --prior out")
    if origin.prior not in (None, *PRIORS):
        raise StoreError(f"--prior takes {' or '.join(PRIORS)} but got {origin.prior!r}")


def _require_generator(origin: Origin, table: Table) -> None:
    """Raise StoreError if the vectors are no codes of the generator, by their shape."""
    if not origin.card:
        return
    config, dim = origin.card.generator, prod(table.shape)
    if config.latent_dim != dim:
        raise StoreError(
            f"the vectors have {dim} components, but the codes of this generator {config.latent_dim}"
        )
    own = config.code_shape if isinstance(config, ImportedConfig) else None
    if len(table.shape) > 1 and own and tuple(own) != tuple(table.shape):
        raise StoreError(f"the vectors have the shape {table.shape}, but the codes of this generator {own}")


def _about(path: Path, table: Table, origin: Origin, classes: tuple[str, ...]) -> About:
    card, columns = origin.card, table.columns
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    place = origin.generator.uri if origin.generator else ""
    return About(
        generator=GeneratorInfo(fingerprint=card.fingerprint, path=place) if card else None,
        dataset=dataset_info(origin.images) if origin.images else None,
        latent_dim=prod(table.shape),
        prior=card.generator.prior if card else origin.prior,
        imported=ImportInfo(
            file=path.name, sha256=sha256, column=columns.z, id=columns.id, label=columns.label
        ),
        latent_shape=table.shape if len(table.shape) > 1 else None,
        classes=classes,
    )


def _notes(table: Table, origin: Origin, classes: tuple[str, ...]) -> tuple[str, ...]:
    notes: list[str] = []
    if table.numbers != "float32":
        notes.append(f"the numbers were {table.numbers}: they are float32 now")
    if not table.columns.id:
        notes.append("no --id was given: the ids are the numbers of the rows, from 0")
    if classes:
        notes.append(f"the labels were texts: they are the places of {len(classes)} classes, in order")
    if not origin.card and not origin.prior:
        notes.append("no --generator or --prior was given: jobs that compare with a prior ask for it")
    return tuple(notes)
