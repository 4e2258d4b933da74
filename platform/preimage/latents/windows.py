"""Windows of a store's codes: row groups in shuffled order, gathered, and the codes shuffled within."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from preimage.errors import StoreError
from preimage.latents import parquet
from preimage.latents.manifest import Manifest, PartRecord
from preimage.latents.schema import SCALARS, About, Codes, without_rows
from preimage.random_streams import Stream
from preimage.storage.folder import Folder


@dataclass(frozen=True)
class Group:
    """A row group: all its images but those that diverged."""

    record: PartRecord
    number: int
    """In its part."""
    count: int
    diverged: int


@dataclass(frozen=True)
class Window:
    """Consecutive codes of an epoch."""

    start: int
    """The place of its first code in the epoch."""
    end: int
    """The place after its last."""
    groups: Sequence[Group]
    shuffle: tuple[int, int, int] | None
    """What determines the order of its codes: seed, epoch, number; None leaves them in store order."""

    @property
    def count(self) -> int:
        return self.end - self.start

    def places(self) -> Tensor | None:
        """Where each of its codes goes: (n,) int64, in store order."""
        if self.shuffle is None:
            return None
        return torch.randperm(self.count, generator=Stream.LOADED_ROWS.generator(*self.shuffle))


def groups_of(folder: Folder, manifest: Manifest) -> list[Group]:
    """All row groups of a store; their files' footers tell how many images diverged. Raises StoreError."""
    found: list[Group] = []
    counts = parquet.diverged_rows(folder, manifest.parts, manifest.about)
    for record, diverged in zip(manifest.parts, counts, strict=True):
        for number, lost in enumerate(diverged):
            rows = min(parquet.ROW_GROUP, record.rows - number * parquet.ROW_GROUP)
            found.append(Group(record, number, rows - lost, lost))
    return found


def windows_of(groups: Sequence[Group], rows: int, seed: int | None, epoch: int) -> list[Window]:
    """An epoch's windows in order: each as many row groups as hold at most `rows` codes, or one that holds
    more.

    seed: None shuffles nothing. A window's row groups are in store order before its codes are shuffled: the
    order of a store of one window does not depend on its division into parts.
    """
    order = torch.arange(len(groups))
    if seed is not None:
        order = torch.randperm(len(groups), generator=Stream.LOADED_GROUPS.generator(seed, epoch))
    chosen: list[list[int]] = []
    held, start = 0, 0
    for index in order.tolist():
        if not chosen or held + groups[index].count > rows:
            chosen.append([])
            held = 0
        chosen[-1].append(index)
        held += groups[index].count
    windows: list[Window] = []
    for number, each in enumerate(chosen):
        own = [groups[index] for index in sorted(each)]
        end = start + sum(group.count for group in own)
        windows.append(Window(start, end, own, None if seed is None else (seed, epoch, number)))
        start = end
    return windows


def read_windows(
    folder: Folder,
    manifest: Manifest,
    windows: Sequence[Window],
    columns: Sequence[str],
    verified: set[Group],
) -> Iterator[tuple[Window, Codes]]:
    """Windows and their codes, while the row groups of the next window are read ahead.

    verified: row groups whose checksums were right before, which takes a sixth of the time; gains those that
    are read. Raises StoreError, naming the part, if one cannot be read or belongs to another store.
    """

    def fill(at: tuple[_Filling, Group, int]) -> tuple[_Filling, Group]:
        filling, group, first = at
        end = first + group.count
        wanted = (*columns, "loss") if group.diverged else columns
        verify = group not in verified
        for codes in parquet.pieces(folder, group.record, group.number, manifest.about, wanted, verify):
            kept = codes[~codes.diverged] if group.diverged else codes
            if first + len(kept) > end:
                break
            filling.put(kept, first)
            first += len(kept)
        else:
            if first == end:
                verified.add(group)
                return filling, group
        raise StoreError(
            f"{folder / group.record.file} does not hold the {group.count} codes that its footer promises. "
            f"{parquet.how_to_mend(folder)}"
        )

    def groups() -> Iterator[tuple[_Filling, Group, int]]:
        for window in windows:
            filling, first = _Filling(window, columns, manifest.about), 0
            for group in window.groups:
                yield filling, group, first
                first += group.count

    threads = parquet.readers(folder, manifest.parts, manifest.about, columns)
    most = max(len(window.groups) for window in windows)
    for filling, group in parquet.ahead(fill, groups(), threads, most):
        if group is filling.window.groups[-1]:
            yield filling.window, filling.codes()


class _Filling:
    """A window's columns, to which several threads add row groups. Uses numpy, because torch's idle threads
    would spin on the cores that decode."""

    def __init__(self, window: Window, columns: Sequence[str], about: About) -> None:
        self.window, self._places, self._searched = window, window.places(), about.searched
        self._columns = {name: _empty(*_layout(name, window.count, about.latent_dim)) for name in columns}

    def put(self, codes: Codes, first: int) -> None:
        """Place a row group's codes; first: how many of the window come before them in store order."""
        rows = slice(first, first + len(codes))
        places = rows if self._places is None else self._places.numpy()[rows]
        for name, column in self._columns.items():
            _by_row(column)[places] = _by_row(getattr(codes, name).numpy())

    def codes(self) -> Codes:
        found = {name: without_rows(name) for name in SCALARS}
        found |= {"z": torch.empty(0, 0)}
        found |= {name: torch.from_numpy(column) for name, column in self._columns.items()}
        return Codes(**found, searched=self._searched)


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """From Arrow's memory pool, which holds an earlier window's pages; the system would clear new ones."""
    buffer = pa.allocate_buffer(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(buffer, dtype).reshape(shape)


def _layout(name: str, count: int, dim: int) -> tuple[tuple[int, ...], np.dtype]:
    if name == "z":
        return (count, dim), np.dtype(np.float32)
    return (count,), without_rows(name).numpy().dtype


def _by_row(column: np.ndarray) -> np.ndarray:
    """One item for each row, which numpy moves faster than the numbers in it."""
    return column if column.ndim == 1 else column.view(f"V{column.shape[1] * column.itemsize}")[:, 0]
