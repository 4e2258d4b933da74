"""One row per image: the Arrow schema of a latent store, and the batch of tensors that fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from preimage.config import Config, PositiveInt
from preimage.errors import StoreError
from preimage.storage.folder import canonical_json
from preimage.storage.formats import STORE

if TYPE_CHECKING:
    import torch
    from torch import Tensor

METADATA_KEY = b"preimage"
UNLABELLED = -1
SCALARS: dict[str, pa.DataType] = {
    "image_id": pa.int64(),
    "label": pa.int32(),
    "loss": pa.float32(),
    "steps": pa.int32(),
    "restart": pa.int32(),
    "converged": pa.bool_(),
}
SEARCH = ("loss", "steps", "restart", "converged")
"""The columns of a search, which codes from elsewhere lack."""
COLUMNS = ("image_id", "label", "z", *SEARCH)


class GeneratorInfo(Config):
    """The generator that the codes belong to."""

    fingerprint: str
    path: str = ""
    """Where it was when the store was made; a store and its generator may move."""


class DatasetInfo(Config):
    """The images that the codes reconstruct."""

    fingerprint: str
    path: str = ""
    count: PositiveInt
    """Images in the dataset; the store may hold fewer."""
    available: PositiveInt | None = None
    """Images in the dataset's source, whose shuffle orders its rows; None for images of no dataset."""


class ImportInfo(Config):
    """The table that codes from elsewhere were read from."""

    file: str
    """Its name."""
    sha256: str
    column: str | None
    id: str | None
    label: str | None
    """Which of its columns, or tensors, were read; None for an array without a name, row numbers as ids, and
    labels from elsewhere or none."""


_OPTIONAL = {"preimage", "imported", "latent_shape", "classes"}
"""Written only if they say something."""


class About(Config):
    """What a latent store holds and where it comes from."""

    generator: GeneratorInfo | None
    """None for codes of no known generator, such as embeddings."""
    dataset: DatasetInfo | None
    """None if the images are not known."""
    solver: dict[str, Any] = Field(default_factory=dict)
    latent_dim: PositiveInt
    prior: str | None
    """The prior that the generator was trained with: `normal`, `uniform`; None if it is not known."""
    format: int = STORE.number
    preimage: str | None = None
    """The version that began to write it."""
    imported: ImportInfo | None = None
    """Where the codes were read from, if no search of ours found them."""
    latent_shape: tuple[PositiveInt, ...] | None = None
    """Of a code before it was flattened, such as (4, 8, 8), if that is not (latent_dim,)."""
    classes: tuple[str, ...] = ()
    """Class names by label, where the codes brought their own."""

    @property
    def searched(self) -> bool:
        """Whether a search found the codes, so that each has a loss and its steps."""
        return self.imported is None

    @property
    def generator_fingerprint(self) -> str | None:
        return self.generator.fingerprint if self.generator else None

    @property
    def dataset_fingerprint(self) -> str | None:
        return self.dataset.fingerprint if self.dataset else None

    @property
    def available(self) -> int | None:
        """Images in the source of the dataset, if they are known."""
        return self.dataset.available if self.dataset else None

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of its parts."""
        return tuple(name for name in COLUMNS if self.searched or name not in SEARCH)

    def identity(self) -> dict[str, Any]:
        """Everything but the paths and the version: identifies the content, wherever it was made."""
        aside = {"generator": {"path"}, "dataset": {"path"}, "imported": {"file"}, "preimage": True}
        return self.model_dump(mode="json", exclude=aside)

    @model_serializer(mode="wrap")
    def _only_what_there_is(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: each for name, each in dump(self).items() if each or name not in _OPTIONAL}


@dataclass(frozen=True)
class Codes:
    """The codes of n images, on the CPU or a GPU.

    image_id: (n,) int64, label: (n,) int32, -1 without one, z: (n, d) float32, loss: (n,) float32 per pixel,
    NaN for an image that diverged, steps: (n,) int32, restart: (n,) int32, converged: (n,) bool. What was not
    read is empty, and so are the last four of codes that no search of ours found.
    """

    image_id: Tensor
    label: Tensor
    z: Tensor
    loss: Tensor
    steps: Tensor
    restart: Tensor
    converged: Tensor
    searched: bool = True
    """Whether a search found them."""

    @classmethod
    def without_search(cls, image_id: Tensor, label: Tensor, z: Tensor) -> Codes:
        """Codes from elsewhere."""
        empty = {name: without_rows(name) for name in SEARCH}
        return cls(image_id, label, z, **empty, searched=False)

    def __len__(self) -> int:
        return len(self.image_id)

    @property
    def diverged(self) -> Tensor:
        """(n,) bool: the images whose search met a non-finite loss. They are in the store, once and without a
        loss, and no statistic counts their codes. None of codes that no search found."""
        import torch

        if self.searched:
            return self.loss.isnan()
        return torch.zeros_like(self.image_id, dtype=torch.bool)

    def __getitem__(self, rows: slice | Tensor) -> Codes:
        read = {name: getattr(self, name) for name in COLUMNS}
        taken = {name: found[rows] if found.numel() else found for name, found in read.items()}
        return Codes(**taken, searched=self.searched)


def concatenate(batches: list[Codes]) -> Codes:
    """Join one or more batches into one."""
    import torch

    joined = {name: torch.cat([getattr(batch, name) for batch in batches]) for name in COLUMNS}
    return Codes(**joined, searched=batches[0].searched)


def arrow_schema(about: About) -> pa.Schema:
    """The schema of every part; its metadata names generator, dataset, solver and format version."""
    z = pa.list_(pa.field("element", pa.float32(), nullable=False), about.latent_dim)
    types = SCALARS | {"z": z}
    fields = [pa.field(name, types[name], nullable=name == "loss") for name in about.columns]
    return pa.schema(fields, {METADATA_KEY: canonical_json(about.identity()).encode()})


def to_table(codes: Codes, about: About) -> pa.Table:
    """The rows as Arrow, without a copy if the tensors are contiguous and on the CPU.

    A NaN loss becomes null, which every reader's averages skip.
    Raises StoreError for a column of the wrong shape or type, a non-finite z, an infinite loss, or a
    duplicate image.
    """
    check(codes, about)
    schema = arrow_schema(about)
    flat = {name: getattr(codes, name).detach().cpu().contiguous().view(-1).numpy() for name in schema.names}
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(flat["z"]), type=schema.field("z").type)
        if name == "z"
        else pa.array(flat[name], from_pandas=name == "loss")  # NaN becomes null
        for name in schema.names
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def from_table(table: pa.Table, searched: bool = True) -> Codes:
    """The rows of a store as tensors. They share the table's memory if it is in one piece and without nulls,
    which become NaN: do not write to them. A column that the table lacks becomes an empty tensor.
    """
    import torch

    columns: dict[str, Tensor] = {}
    for name in SCALARS:
        found = name in table.column_names
        columns[name] = _tensor(_one_array(table, name)) if found else without_rows(name)
    z = _matrix(table) if "z" in table.column_names else torch.empty(0, 0)
    return Codes(**columns, z=z, searched=searched)


def check(codes: Codes, about: About) -> None:
    """Raises StoreError listing every mistake: wrong shape or type, non-finite values, duplicate images."""
    import torch

    rows = len(codes.image_id)
    expected: dict[str, tuple[tuple[int, ...], torch.dtype]]
    expected = {name: ((rows,), without_rows(name).dtype) for name in SCALARS}
    expected["z"] = ((rows, about.latent_dim), torch.float32)
    expected |= {name: ((0,), expected[name][1]) for name in COLUMNS if name not in about.columns}
    wrong = []
    for name, (shape, dtype) in expected.items():
        found = getattr(codes, name)
        if tuple(found.shape) != shape or found.dtype != dtype:
            wrong.append(f"{name} is {tuple(found.shape)} {found.dtype}, expected {shape} {dtype}")
        elif problem := not_finite(name, found):
            wrong.append(problem)
    if _repeats(codes.image_id):
        wrong.append("an image_id occurs twice")
    if wrong:
        raise StoreError("these codes cannot be stored: " + "; ".join(wrong))


def not_finite(name: str, values: Tensor) -> str | None:
    """What is wrong with a column's values, if anything: z must be finite; a loss may be NaN, not infinite.

    Uses numpy, because torch's idle threads would spin on the cores that hash and write the part next.
    """
    array = values.detach().cpu().numpy()
    if name == "loss" and np.isinf(array).any():
        return "loss must not be infinite; an unknown one is NaN"
    if name == "z" and array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
        return "z holds a value that is not finite"  # which the extremes reveal
    return None


def _repeats(ids: Tensor) -> bool:
    ordered = np.sort(ids.detach().cpu().numpy().ravel())  # many times faster than torch.unique
    return bool((ordered[1:] == ordered[:-1]).any())


def _one_array(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _tensor(array: pa.Array) -> Tensor:
    import torch

    if array.null_count:
        array = array.fill_null(float("nan"))
    if pa.types.is_boolean(array.type):  # Arrow packs eight to a byte
        return torch.from_numpy(array.to_numpy(zero_copy_only=False).copy())
    return torch.from_dlpack(array) if len(array) else _empty(array.type)


def without_rows(name: str) -> Tensor:
    """A scalar column of no rows, (0,)."""
    return _empty(SCALARS[name])


def _empty(kind: pa.DataType) -> Tensor:
    import torch

    name = "float32" if kind == pa.float32() else str(kind)  # Arrow names the others as torch does
    return torch.empty(0, dtype=getattr(torch, name))


def _matrix(table: pa.Table) -> Tensor:
    array = _one_array(table, "z")
    return _tensor(array.flatten()).view(-1, array.type.list_size)
