"""Folders on any filesystem that pyarrow opens: a local path, file://, s3://, gs://, hdfs://."""

import errno
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import ArrowException, BufferOutputStream, NativeFile, fs

from preimage.errors import StorageError
from preimage.storage.address import require_address
from preimage.storage.credentials import refusal

_REFUSED = (OSError, ValueError)
"""What filesystems raise; ValueError is for an invalid name, such as one with a NUL in it."""


def digest(data: bytes | memoryview) -> str:
    """The SHA-256 of some bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> str:
    """The canonical JSON of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _remedy(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "Make room, then run the same command again. " if full else ""


@dataclass(frozen=True)
class Folder:
    """A folder, by its path on a filesystem. It need not exist: writing creates it."""

    filesystem: fs.FileSystem
    path: str

    @classmethod
    def at(cls, address: "str | Path | Folder") -> "Folder":
        """Open a local path or a URI; a folder that is open already stays as it is.

        Raises StorageError if the filesystem is unknown or unreachable, the URI carries a password, or the
        text would name a folder that nobody means.
        """
        if isinstance(address, Folder):
            return address
        text = str(address)
        if message := refusal(text):
            raise StorageError(message)
        require_address(text)
        try:
            if "://" not in text:
                return cls(fs.LocalFileSystem(), str(Path(text).expanduser().absolute()))
            if text.startswith("s3:") and "allow_delayed_open" not in text:  # one request for a small file
                text += ("&" if "?" in text else "?") + "allow_delayed_open=true"
            filesystem, path = fs.FileSystem.from_uri(text)
            return cls(filesystem, path)
        except ImportError as error:
            raise StorageError(f"{text!r} needs a package that is not here: {error}") from error
        except (OSError, ValueError, RuntimeError, ArrowException) as error:
            raise StorageError(
                f"cannot open {text!r}: {error}. Give a path or a URI such as s3://bucket/folder."
            ) from error

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, fs.LocalFileSystem)

    @property
    def uri(self) -> str:
        """The path as `Folder.at` takes it."""
        return self.path if self.is_local else f"{self.filesystem.type_name}://{self.path}"

    @property
    def local(self) -> Path:
        """The path on this machine. Raises StorageError on a remote filesystem."""
        if not self.is_local:
            raise StorageError(f"{self.uri} is not on this machine")
        return Path(self.path)

    @property
    def parent(self) -> "Folder":
        return Folder(self.filesystem, self.path.rsplit("/", 1)[0])

    def __truediv__(self, name: str) -> "Folder":
        return Folder(self.filesystem, f"{self.path}/{name}")

    def exists(self, name: str = "") -> bool:
        return self._info(name).type != fs.FileType.NotFound

    def names(self) -> list[str]:
        """What the folder holds, sorted; empty if there is no folder. Skips temporary files."""
        with self._reaching():
            found = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in found if not info.base_name.startswith("."))

    def files(self) -> list[str]:
        """The files among `names`, without folders."""
        with self._reaching():
            found = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        files = [info.base_name for info in found if info.type == fs.FileType.File]
        return sorted(name for name in files if not name.startswith("."))

    def size(self, name: str) -> int:
        """A file's size in bytes. Raises StorageError if it is missing."""
        info = self._info(name)
        if info.type != fs.FileType.File:
            raise StorageError(f"{self.uri}/{name} is missing")
        return info.size

    def modified_ms(self, name: str) -> int:
        """When a file was last written, in milliseconds since 1970."""
        return (self._info(name).mtime_ns or 0) // 1_000_000

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises StorageError if it cannot be read."""
        try:
            with self.filesystem.open_input_stream(f"{self.path}/{name}", compression=None) as stream:
                return stream.read()
        except _REFUSED as error:
            raise StorageError(f"cannot read {self.uri}/{name}: {error}") from error

    def read_json(self, name: str) -> Any:
        """A JSON file's value. Raises StorageError if it is missing or not JSON."""
        try:
            return json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise StorageError(
                f"{self.uri}/{name} is not JSON ({error}); it was altered or truncated"
            ) from error

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a whole file or nothing.

        Raises StorageError if the filesystem refuses, for example because the disk is full.
        """
        with self.writing(name) as stream:
            stream.write(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[NativeFile]:
        """A stream to write a file to. The whole file appears after the block; an error leaves no file.

        Raises StorageError if the filesystem refuses, within the block or at its end.
        """
        place = self._renamed if self.is_local else self._at_once
        try:
            if self.is_local:  # an object store has no folders to make
                self.filesystem.create_dir(self.path, recursive=True)
            with place(f"{self.path}/{name}") as stream:
                yield stream
        except OSError as error:
            raise StorageError(
                f"cannot write {self.uri}/{name}: {error}. {_remedy(error)}"
                "Files already written are unchanged."
            ) from error

    def write_json(self, name: str, value: Any) -> None:
        self.write(name, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with self._reaching():
            if self.exists(name):
                self.filesystem.delete_file(f"{self.path}/{name}")

    def delete(self) -> None:
        """Remove the folder and everything in it, if it exists."""
        with self._reaching():
            if self.exists():
                self.filesystem.delete_dir(self.path)

    def _info(self, name: str) -> fs.FileInfo:
        with self._reaching():
            return self.filesystem.get_file_info(f"{self.path}/{name}" if name else self.path)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except _REFUSED as error:
            raise StorageError(f"cannot reach {self.uri}: {error}") from error

    @contextmanager
    def _renamed(self, path: str) -> Iterator[NativeFile]:
        """Write under a temporary name; rename at the end."""
        temporary = f"{self.path}/.{uuid4().hex}.tmp"
        try:
            with self.filesystem.open_output_stream(temporary, compression=None) as stream:
                yield stream
            self.filesystem.move(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    @contextmanager
    def _at_once(self, path: str) -> Iterator[NativeFile]:
        """Buffer in memory; send at the end: closing a remote stream publishes it, even after an error."""
        memory = BufferOutputStream()
        yield memory
        with self.filesystem.open_output_stream(path, compression=None) as stream:
            stream.write(memory.getvalue())
