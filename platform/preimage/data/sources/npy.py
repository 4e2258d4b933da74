"""NumPy's files, .npy and .npz: their headers first, then arrays that are mapped or read. Never unpickled."""

import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib import format

from preimage.data.sources.base import printable
from preimage.data.sources.data_files import DataFile
from preimage.data.sources.read_errors import reaching
from preimage.errors import DataError
from preimage.storage.folder import Folder

MAX_HELD = 4 << 30
"""Bytes of a compressed array or a remote file to hold in memory: a small .npz may stand for any number."""
_HEADER = 1 << 16
_INVALID = (
    ValueError, TypeError, SyntaxError, LookupError, OverflowError, RecursionError, MemoryError, EOFError,
    tokenize.TokenError,
)  # fmt: skip
"""What NumPy raises for a header that is none."""
_BAD_ZIP = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, LookupError, struct.error,
    NotImplementedError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, before its values are read."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    state: str
    """Changes when the array is written again."""
    read: Callable[[], np.ndarray]
    """Raises DataError if it is damaged."""

    @property
    def text(self) -> str:
        """For a message, such as `x_train (60000, 28, 28) uint8`."""
        return f"{self.name} {self.shape} {self.dtype}"


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype
    order: Literal["C", "F"]
    start: int
    """Offset of the values."""


def open_arrays(root: Folder, file: DataFile) -> dict[str, StoredArray]:
    """The arrays of a .npz by name, or the one of a .npy by its file's name.

    An array is mapped into memory if the file is local and the array is not compressed. Raises DataError if
    the file is damaged, or holds more than MAX_HELD where that must be read whole.
    """
    where = f"{root / file.name}"
    data = _bytes(root, file, where)
    if not file.name.lower().endswith(".npz"):
        return {file.name: _stored(printable(file.name), data, file.state, where)}
    try:
        archive = zipfile.ZipFile(
            root.path + "/" + file.name if root.is_local else io.BytesIO(data.tobytes())
        )
        members = archive.infolist()
    except _BAD_ZIP as error:
        raise DataError(f"{where} is not a readable .npz ({error}); copy or download it again") from error
    found: dict[str, StoredArray] = {}
    for info in members:
        name = info.filename.removesuffix(".npy")
        if name in found:
            raise DataError(f"{where} has the array {name} twice; write it again")
        found[name] = _member(archive, info, name, data, f"{where}: {name}")
    return found


def _bytes(root: Folder, file: DataFile, where: str) -> np.ndarray:
    """The file's bytes, (n,) uint8: mapped, or read if it is remote."""
    if file.size == 0:
        raise DataError(f"{where} is empty")
    with reaching(where):
        if root.is_local:
            return np.memmap(f"{root.path}/{file.name}", np.uint8, "r")
    if file.size > MAX_HELD:
        raise DataError(
            f"{where} has {file.size:,} bytes, and a remote file is held in memory, at most {MAX_HELD:,}: "
            "copy it to this machine"
        )
    with reaching(where):
        return np.frombuffer(root.read(file.name), np.uint8)


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, data: np.ndarray, where: str
) -> StoredArray:
    state = f"{info.CRC:08x} {info.file_size}"
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is encrypted or compressed in another way than NumPy's; write it again")
    if info.compress_type == zipfile.ZIP_STORED:
        start = info.header_offset
        local = data[start : start + 30].tobytes()
        if len(local) < 30 or local[:4] != b"PK\3\4":
            raise DataError(f"{where} is damaged; copy or download it again")
        start += 30 + sum(struct.unpack("<HH", local[26:30]))
        return _stored(name, data[start : start + info.file_size], state, where)
    if info.file_size > MAX_HELD:
        raise DataError(
            f"{where} takes {info.file_size:,} bytes, and a compressed array is held in memory, at most "
            f"{MAX_HELD:,}: write it by np.savez or np.save, which leave it on disk"
        )
    head = np.frombuffer(_unpacked(archive, info, _HEADER, where), np.uint8)
    shape, dtype, _, start = _header(head, info.file_size, where)

    def read() -> np.ndarray:
        whole = np.frombuffer(_unpacked(archive, info, info.file_size, where), np.uint8)
        return _stored(name, whole, state, where).read()

    return StoredArray(name, shape, dtype, state, read)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, length: int, where: str) -> bytes:
    try:
        with archive.open(info) as stream:
            return stream.read(length)
    except _BAD_ZIP as error:
        raise DataError(f"{where} is damaged ({error}); copy or download it again") from error


def _stored(name: str, data: np.ndarray, state: str, where: str) -> StoredArray:
    """The array in a .npy's bytes, which are read only when it is."""
    shape, dtype, order, start = _header(data[:_HEADER], len(data), where)
    values = data[start:]
    return StoredArray(name, shape, dtype, state, lambda: values.view(dtype).reshape(shape, order=order))


def _header(head: np.ndarray, size: int, where: str) -> _Header:
    """What the first bytes of a .npy of this size say. Raises DataError if that takes another size."""
    stream = io.BytesIO(head.tobytes())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that Python 2 wrote
            version = format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"version {version}")
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read(stream)
    except _INVALID as error:
        raise DataError(f"{where} is not in NumPy's format ({str(error)[:200]})") from error
    expected = stream.tell() + math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and (dtype.itemsize == 0 or min(shape, default=0) < 0 or expected != size):
        raise DataError(
            f"{where} has {size:,} bytes, but {shape} of {dtype} take {expected:,}: it is truncated or too "
            "long; copy or download it again"
        )
    return _Header(shape, dtype, "F" if fortran else "C", stream.tell())
