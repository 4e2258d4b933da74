"""Write a latent store as one file for other tools, with what is known of its images."""

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from preimage.browsing.selections import read_selection
from preimage.data.known_images import KnownImages
from preimage.errors import PreimageError, StoreError
from preimage.extras import require
from preimage.importing.tables.import_codes import Progress
from preimage.jobs.named_images import open_images
from preimage.latents.parquet import CHUNK
from preimage.latents.schema import SCALARS, SEARCH, UNLABELLED, Codes
from preimage.latents.store import Store
from preimage.pipelines.inputs import find_product
from preimage.storage.address import results_root
from preimage.storage.folder import Folder

ROWS, ROWS_OF_IMAGES = 65_536, 1024
"""Rows of a row group without images, and with them."""
PARQUET, DUCKDB = ".parquet", ".duckdb"
"""What a file's name ends in that is to be a DuckDB database. In Parquet DuckDB reads every list as FLOAT[],
on which list_distance works; its array functions take FLOAT[d], which only its own tables keep."""
OPTIONS: dict[str, Any] = {"compression": "zstd", "use_dictionary": ["label", "class"]}
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An image as Hugging Face's Image feature has it."""


@dataclass(frozen=True)
class ExportedStore:
    """A file that an export wrote."""

    address: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    notes: tuple[str, ...]
    """What was left out, and why."""


def export_store(
    store: Store | str | Path,
    path: str | Path,
    *,
    images: bool = False,
    only: str | Path | None = None,
    overwrite: bool = False,
    results: str | None = None,
    progress: Progress = lambda task: lambda done, total: None,
) -> ExportedStore:
    """Write a latent store as one Parquet file, or as a DuckDB database if its name ends in .duckdb
    (`preimage store export`).

    store: opened, or a run's name or a store's folder. The file has image_id, z as a list of d float32, label
    (null without one), and where they are known name, class, loss (null if the search diverged), steps,
    restart and converged. images: the images too, as PNG files. only: a selection, a Parquet file with a
    column image_id (`preimage browse` saves them), whose rows alone are written. Raises PreimageError if the
    file is there already and not to be overwritten, the images are asked for and gone, or the store lacks a
    selected one.
    """
    if not isinstance(store, Store):
        runs = Folder.at(results_root(results)) / "runs"
        store = Store.open(find_product(str(store), "store", runs).folder)
    place = Folder.at(path)
    folder, name = place.parent, place.name
    if not name.endswith((PARQUET, DUCKDB)):
        raise StoreError(f"{place.uri} must end in {PARQUET} or {DUCKDB}, which are what can be written")
    if folder.exists(name) and not overwrite:
        raise StoreError(f"{place.uri} is there already: give another file, or --force to overwrite it")
    known, notes = _known(store, images)
    table = _Exporter(store, known, images, _wanted(store, only) if only else None)
    with folder.writing(name) as stream:
        if name.endswith(DUCKDB):
            _write_duckdb(table, stream, progress)
        else:
            table.write(stream, progress)
    size = folder.size(name)
    return ExportedStore(place.uri, tuple(table.schema.names), table.count, size, notes)


def _wanted(store: Store, only: str | Path) -> torch.Tensor:
    """The selected ids. Raises StorageError for what is no selection, StoreError if the store lacks one."""
    wanted = torch.from_numpy(read_selection(Folder.at(only)))
    there = torch.cat([codes.image_id for codes in store.batches(("label",))])
    if missing := wanted[~torch.isin(wanted, there)].tolist():
        raise StoreError(
            f"{only} selects {len(missing):,} images that are not in {store.folder.uri}, among them "
            f"{', '.join(map(str, missing[:5]))}: give a selection of this store's images"
        )
    return wanted


def _known(store: Store, images: bool) -> tuple[KnownImages | None, tuple[str, ...]]:
    """The store's images, if they are still there; and what is left out without them."""
    try:
        return KnownImages(open_images(store.about.dataset)), ()
    except PreimageError as error:
        if images:
            raise
        return None, (f"no names of images: {error}",)


@dataclass(frozen=True)
class _Exporter:
    """A store's rows as a table of other tools."""

    store: Store
    known: KnownImages | None
    images: bool
    wanted: torch.Tensor | None = None
    """The ids of the rows to write; None for all."""

    @property
    def count(self) -> int:
        return self.store.count if self.wanted is None else len(self.wanted)

    @property
    def classes(self) -> tuple[str, ...]:
        """By label."""
        return self.store.about.classes or (tuple(self.known.dataset.classes) if self.known else ())

    @property
    def schema(self) -> pa.Schema:
        fields = [pa.field("image_id", pa.int64(), nullable=False)]
        fields += [pa.field("name", pa.string())] if self.known else []
        fields += [pa.field("label", pa.int32())]
        fields += [pa.field("class", pa.string())] if self.classes else []
        fields += [pa.field("z", pa.list_(pa.float32(), self.store.latent_dim))]
        fields += [pa.field(name, SCALARS[name]) for name in self.store.about.columns if name in SEARCH]
        return pa.schema([*fields, *([pa.field("image", PICTURE)] if self.images else [])])

    def write(self, stream: BinaryIO, progress: Progress) -> None:
        """As Parquet, a row group at a time."""
        advance, done = progress("exporting"), 0
        with pq.ParquetWriter(stream, self.schema, **OPTIONS) as writer:
            for codes in self.store.batches(None, ROWS_OF_IMAGES if self.images else ROWS):
                if self.wanted is not None:
                    codes = codes[torch.isin(codes.image_id, self.wanted)]
                if len(codes):
                    writer.write_table(self._table(codes, done))
                done += len(codes)
                advance(done, self.count)

    def _table(self, codes: Codes, start: int) -> pa.Table:
        """start: the number of the first row."""
        ids, labels = codes.image_id.numpy(), codes.label.numpy()
        columns: dict[str, pa.Array] = {
            "image_id": pa.array(ids),
            "label": pa.array(labels, mask=labels == UNLABELLED),
            "z": pa.FixedSizeListArray.from_arrays(pa.array(codes.z.numpy().ravel()), codes.z.shape[1]),
        }
        if self.known:
            self.known.require(ids, start)
            columns["name"] = self.known.names(ids)
        if self.classes:
            there = pa.array(labels, mask=(labels < 0) | (labels >= len(self.classes)))
            columns["class"] = pa.array(self.classes, pa.string()).take(there)
        for name in self.store.about.columns:
            if name in SEARCH:
                columns[name] = pa.array(getattr(codes, name).numpy(), from_pandas=name == "loss")
        if self.images and self.known:
            pictures = [_png(pixels) for pixels in self.known.pixels(ids)]
            columns["image"] = pa.StructArray.from_arrays(
                [pa.array(pictures, pa.binary()), columns["name"]], fields=list(PICTURE)
            )
        return pa.table([columns[name] for name in self.schema.names], schema=self.schema)


def _png(pixels: np.ndarray) -> bytes:
    """Of an image (C, H, W) uint8."""
    buffer = io.BytesIO()
    shades = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(shades).save(buffer, "PNG")
    return buffer.getvalue()


def _write_duckdb(table: _Exporter, stream: BinaryIO, progress: Progress) -> None:
    """A database with the table `codes`, in which z is FLOAT[d]."""
    require("a .duckdb file", "duckdb", kind=StoreError)
    import duckdb

    with TemporaryDirectory() as place:
        parquet, database = Path(place) / "codes.parquet", Path(place) / "codes.duckdb"
        with parquet.open("wb") as file:
            table.write(file, progress)
        with duckdb.connect(database) as connection:
            connection.execute(
                f"create table codes as select * replace (z::float[{table.store.latent_dim}] as z) "
                "from read_parquet($file)",
                {"file": str(parquet)},
            )
        with database.open("rb") as file:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                stream.write(chunk)
