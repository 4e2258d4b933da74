"""The files of a folder, here or on object storage, or of a .zip, before any is opened."""

import io
import os
import stat
import struct
import zipfile
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from pyarrow import fs

from preimage.data.sources.read_errors import reaching, unreachable
from preimage.data.sources.unread_files import advice
from preimage.errors import DataError
from preimage.storage.folder import Folder

SUFFIXES = frozenset({
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
MAX_BYTES = 1 << 29
"""The largest image file to hold in memory: a few bytes of a .zip may expand to any number."""
_REMOTE_BUFFER = 1 << 16
"""A small member of a remote .zip takes one request, its header included."""

Found = tuple[str, *tuple[int, ...]]
"""A file: its path below the root with forward slashes, its size, and the tree's `state`."""


class Tree(Protocol):
    """Files below one root."""

    @property
    def state(self) -> tuple[str, ...]:
        """What of a file a rewrite changes, as `files` gives it after the size."""
        ...

    def files(self) -> Iterator[Found]:
        """All files but hidden ones, in any order. Raises DataError."""
        ...

    def read(self, name: str, size: int) -> bytes:
        """A file's bytes. Raises one of `decode.UNREADABLE`, and DataError if the storage fails."""
        ...


def open_tree(address: str | Path | Folder) -> Tree:
    """A folder or a .zip, by its path or any address that pyarrow opens.

    Raises DataError if there is none, it is a file of another kind, or the storage refuses.
    """
    with reaching(str(address)):
        folder = Folder.at(address)
        if not folder.path:  # it would list every bucket
            raise DataError(f"{address} names no bucket; give an address such as s3://bucket/photos")
        kind = folder.filesystem.get_file_info(folder.path).type
    if kind == fs.FileType.Directory:
        return LocalTree(folder.path) if folder.is_local else RemoteTree(folder)
    if kind == fs.FileType.NotFound:
        raise DataError(
            f"{folder.uri} does not exist; give a folder or a .zip of images{hint_for_zip(folder.uri)}"
        )
    if found := advice(folder.path, SUFFIXES):
        raise DataError(f"{folder.uri} is not a folder or a .zip of images: {found}")
    if kind != fs.FileType.File:
        raise DataError(f"{folder.uri} is neither a folder nor a file; give a folder or a .zip of images")
    return ZipTree(folder)


def list_images(tree: Tree) -> tuple[pa.RecordBatch, list[str]]:
    """The image files sorted by name, and the names of the other files.

    Columns: `name` in UTF-8, `size`, and the tree's `state`.
    """
    names: list[bytes] = []
    others: list[str] = []
    columns = {name: array("Q") for name in ("size", *tree.state)}
    for name, *numbers in tree.files():
        if os.path.splitext(name)[1].lower() not in SUFFIXES:
            others.append(name)
            continue
        names.append(name.encode(errors="surrogateescape"))
        for column, number in zip(columns.values(), numbers, strict=True):
            column.append(number & 0xFFFF_FFFF_FFFF_FFFF)  # a time before 1970 is negative
    arrays = {name: pa.array(column, pa.uint64()) for name, column in columns.items()}
    batch = pa.record_batch({"name": pa.array(names, pa.large_binary()), **arrays})
    return batch.sort_by("name"), others


def hint_for_zip(path: str) -> str:
    """What to add to a message for a path that would lead into a .zip."""
    archive = path.lower().find(".zip/")
    return f" (unpack {path[: archive + 4]} for a folder of it)" if archive >= 0 else ""


def holds_images(path: Path) -> bool:
    """Whether a local path is a .zip, or a folder with an image somewhere below."""
    if path.is_file():
        return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)
    files = LocalTree(str(path)).files()
    return any(os.path.splitext(name)[1].lower() in SUFFIXES for name, *_ in files)


def read_file(path: str | Path) -> bytes:
    """A file's bytes, at most MAX_BYTES. Raises OSError, and ValueError for a pipe or a device, which never
    ends."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ValueError("not a file but a pipe, a device or a folder")
        return stream.read(MAX_BYTES)


class LocalTree:
    """Files below a local folder. Follows links, but not in circles."""

    state = ("modified_ns", "inode")

    def __init__(self, root: str) -> None:
        self._root = root

    def files(self, recursive: bool = True) -> Iterator[Found]:
        """All files but hidden ones, in any order; not recursive: only those directly in the folder."""
        pending = [(self._root, "", frozenset({os.path.realpath(self._root)}))]
        while pending:
            folder, prefix, above = pending.pop()
            for entry in _scan(folder):
                if _is_hidden(entry.name):
                    continue
                if not _answers(entry.is_dir):
                    # A broken link is listed, and is unreadable later.
                    found = entry.stat(follow_symlinks=_answers(entry.is_file))
                    yield prefix + entry.name, found.st_size, found.st_mtime_ns, found.st_ino
                elif recursive and (real := os.path.realpath(entry.path)) not in above:
                    pending.append((entry.path, f"{prefix}{entry.name}/", above | {real}))

    def read(self, name: str, size: int) -> bytes:
        return read_file(f"{self._root}/{name}")


class RemoteTree:
    """Files below a folder of object storage, or of any other filesystem of pyarrow."""

    state = ("modified_ns",)

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def files(self, recursive: bool = True) -> Iterator[Found]:
        """As a LocalTree's."""
        with reaching(self._folder.uri):
            selector = fs.FileSelector(self._folder.path, recursive=recursive)
            found = self._folder.filesystem.get_file_info(selector)
        start = len(self._folder.path.rstrip("/")) + 1
        for info in found:
            name = info.path[start:]
            if info.type == fs.FileType.File and not any(map(_is_hidden, name.split("/"))):
                yield name, info.size, info.mtime_ns or 0

    def read(self, name: str, size: int) -> bytes:
        path = f"{self._folder.path.rstrip('/')}/{name}"
        try:
            with self._folder.filesystem.open_input_stream(path, compression=None) as stream:
                return stream.read(MAX_BYTES)
        except FileNotFoundError:
            raise
        except OSError as error:  # not the image's fault: it must not count as unreadable
            raise unreachable(f"{self._folder / name}", error) from error


class ZipTree:
    """The members of a .zip."""

    state = ("crc",)

    def __init__(self, folder: Folder) -> None:
        """Raises DataError if it is no .zip."""
        self._uri, self._is_local = folder.uri, folder.is_local
        self._renamed: dict[str, str] = {}  # members that a program wrote with backslashes
        try:
            stream = folder.path if folder.is_local else _seekable(folder)
            self._archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, OSError, ValueError, OverflowError, RuntimeError, struct.error) as error:
            raise DataError(
                f"{folder.uri} is not a readable .zip ({error}); copy or download it again"
            ) from error

    def files(self) -> Iterator[Found]:
        """Raises DataError for a member that comes twice, or points outside of the .zip."""
        known: set[str] = set()
        for info in self._archive.infolist():
            name = info.filename.replace("\\", "/")
            if name in known:  # only one could be read
                raise DataError(f"{self._uri} has the member {name!r} twice; remove one")
            known.add(name)
            parts = name.split("/")
            if parts[0] == "" or ".." in parts or parts[0].endswith(":"):
                raise DataError(
                    f"{self._uri} has a member that points outside it: {info.filename!r}; not opened"
                )
            if name != info.filename:
                self._renamed[name] = info.filename
            if parts[-1] and not any(map(_is_hidden, parts)):
                yield name, info.file_size, info.CRC

    def read(self, name: str, size: int) -> bytes:
        """Never more than the stated size.

        Raises ValueError for methods other than deflate: zipfile sets no bound on what they unpack to, which
        for bzip2 is a million times as much.
        """
        info = self._archive.getinfo(self._renamed.get(name, name))
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("not packed with deflate, zip's usual method")
        try:
            with self._archive.open(info) as member:
                return member.read(size + 1)  # one byte more, so that the checksum is verified
        except OSError as error:
            if self._is_local:
                raise
            raise unreachable(self._uri, error) from error


def _seekable(folder: Folder) -> io.BufferedReader:
    return io.BufferedReader(folder.filesystem.open_input_file(folder.path), _REMOTE_BUFFER)


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}") from error


def _answers(question: Callable[[], bool]) -> bool:
    """Also False for a link that points to itself in a circle."""
    try:
        return question()
    except OSError:
        return False


def _is_hidden(part: str) -> bool:
    """Whether a name is hidden or what a system leaves behind."""
    return part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini")
