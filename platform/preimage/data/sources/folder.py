"""A user's own images: a tree of files, or a .zip of one, here or on object storage."""

import hashlib
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from preimage.data.config import DataConfig, SourceKind
from preimage.data.sources.base import NO_COLUMNS, Contents, LeftOut, Row, Signature, printable
from preimage.data.sources.folder_layout import Layout, arrange
from preimage.data.sources.labels import count_labels
from preimage.data.sources.listing import MAX_BYTES, SUFFIXES, list_images, open_tree
from preimage.data.sources.unread_files import left_out, unread_files
from preimage.errors import DataError
from preimage.storage.folder import Folder

_UNUSED = -2
_AT_ONCE = 1 << 16


class FilesSource:
    """The images of one split, sorted by name: a MapSource. A row's name is its path below the root."""

    columns = NO_COLUMNS

    def __init__(self, address: str | Path | Folder, config: DataConfig) -> None:
        """address: a folder or a .zip. Of the config it takes split and class_level.

        Raises DataError for a broken or hostile .zip, a missing or unclear split, no image at all, or storage
        that cannot be reached.
        """
        where = address.uri if isinstance(address, Folder) else str(address)
        self._tree = open_tree(address)
        files, others = list_images(self._tree)
        unread = unread_files(others)
        if not files.num_rows:
            raise DataError(_no_images(where, unread))
        folders, folder_of = _folders(files)
        counts = np.bincount(folder_of, minlength=len(folders))
        layout = arrange(
            dict(zip(folders, counts.tolist(), strict=True)), config.split, config.class_level, where
        )
        labels = np.array([layout.labels.get(folder, _UNUSED) for folder in folders], np.int32)[folder_of]
        used = np.flatnonzero(labels != _UNUSED)
        outside = left_out(_outside(files, folders, folder_of, layout))
        self._files, self._labels = files.take(pa.array(used)), labels[used]
        self.classes = [printable(name) for name in layout.classes]
        per_class = count_labels(self._labels, self.classes)
        self.contents = Contents(layout.splits, per_class, (*outside, *unread))

    def __len__(self) -> int:
        return len(self._labels)

    def row(self, index: int) -> Row:
        return Row(printable(self._name(index)), int(self._labels[index]))

    def load(self, index: int) -> bytes:
        size = self._files["size"][index].as_py()
        if size > MAX_BYTES:
            raise ValueError(f"a file of {size:,} bytes")
        return self._tree.read(self._name(index), size)

    @property
    def signature(self) -> Signature:
        return self._signed(self._files, self._labels)

    def state(self, indices: np.ndarray) -> str:
        return self._signed(self._files.take(pa.array(indices)), self._labels[indices]).state

    def _name(self, index: int) -> str:
        return _decoded(self._files["name"][index].as_py())

    def _signed(self, files: pa.RecordBatch, labels: np.ndarray) -> Signature:
        hasher = hashlib.sha256(f"{len(labels)}".encode())
        for start in range(0, len(labels), _AT_ONCE):
            hasher.update(b"\0" + b"\0".join(files["name"].slice(start, _AT_ONCE).to_pylist()))
        hasher.update(files["size"].to_numpy().astype("<u8").tobytes() + labels.astype("<i4").tobytes())
        listing = hasher.hexdigest()
        for name in self._tree.state:
            hasher.update(files[name].to_numpy().astype("<u8").tobytes())
        return Signature(listing, hasher.hexdigest())


def _folders(files: pa.RecordBatch) -> tuple[list[str], np.ndarray]:
    """The folders that hold files, and the index of each file's folder."""
    known: dict[bytes, int] = {}
    folder_of = array("i")
    for start in range(0, files.num_rows, _AT_ONCE):
        for name in files["name"].slice(start, _AT_ONCE).to_pylist():
            folder = name[: max(name.rfind(b"/"), name.rfind(b"\\"), 0)]
            folder_of.append(known.setdefault(folder, len(known)))
    return [_decoded(folder) for folder in known], np.frombuffer(folder_of, np.int32)


def _outside(
    files: pa.RecordBatch, folders: list[str], folder_of: np.ndarray, layout: Layout
) -> Iterator[tuple[str, str]]:
    """The images that are in no split: why, and their names."""
    left = np.array([folder in layout.left_out for folder in folders])
    for index in np.flatnonzero(left[folder_of]).tolist():
        reason = layout.left_out[folders[folder_of[index]]]
        yield reason, _decoded(files["name"][index].as_py())


def _no_images(where: str, unread: tuple[LeftOut, ...]) -> str:
    found = "; ".join(f"{each.count:,} of {each.reason}, such as {each.examples[0]}" for each in unread[:3])
    return f"{where} holds no images ({' '.join(sorted(SUFFIXES))})" + (f", but {found}" if found else "")


def _decoded(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


FOLDER = SourceKind(
    "your own images: a tree or a .zip, here or at an address such as s3://bucket/photos; one folder per "
    "class, train/ and test/ for two splits",
    lambda config: FilesSource(config.path or "", config),
    path="required",
    splits=None,
    folders=True,
)
