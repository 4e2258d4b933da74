"""Selections: a small Parquet file of the images that a user chose, image_id and name."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preimage.browsing.subject import Subject
from preimage.errors import StorageError
from preimage.storage.folder import Folder

SUFFIX = ".parquet"


def selection_bytes(subject: Subject, ids: np.ndarray) -> bytes:
    """The file for these ids (n,), in their order: each once, names null where they are not known. Its
    metadata has the store's fingerprint."""
    ids = np.asarray(ids, np.int64)
    ids = ids[np.sort(np.unique(ids, return_index=True)[1])]
    names = subject.pixels.names(ids) if subject.pixels else [None] * len(ids)
    about = {b"preimage.store": (subject.fingerprint or "").encode()}
    schema = pa.schema([pa.field("image_id", pa.int64(), nullable=False), ("name", pa.string())], about)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image_id": ids, "name": names}, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def save_selection(subject: Subject, ids: np.ndarray, folder: Folder, name: str) -> str:
    """Write a selection NAME.parquet into a folder, and return its address.

    Raises StorageError for a name that is no plain file name, or is taken, and if the folder refuses.
    """
    name = name.removesuffix(SUFFIX)
    if not name or name.startswith(".") or not all(each.isalnum() or each in "._- " for each in name):
        raise StorageError(f"{name!r} cannot name a selection: use letters, digits, spaces, '-', '_' and '.'")
    file = f"{name}{SUFFIX}"
    if folder.exists(file):
        raise StorageError(f"{(folder / file).uri} is there already: give the selection another name")
    folder.write(file, selection_bytes(subject, ids))
    return (folder / file).uri


def read_selection(place: Folder) -> np.ndarray:
    """The ids (n,) int64, ascending, of a selection by its file's address: of any Parquet file with whole
    numbers `image_id`. Raises StorageError."""
    data = place.parent.find(place.name)
    if data is None:
        raise StorageError(f"there is no selection at {place.uri}")
    try:
        table = pq.read_table(io.BytesIO(data), columns=["image_id"])
        ids = table["image_id"].cast(pa.int64())
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        raise StorageError(
            f"{place.uri} is no selection, a Parquet file with a column image_id of whole numbers: {error}"
        ) from error
    if ids.null_count or not len(ids):
        raise StorageError(f"{place.uri} names no image, or has rows without an image_id")
    return np.unique(ids.to_numpy())
