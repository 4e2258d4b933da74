"""Folders on any filesystem that pyarrow opens: a local path, file://, s3://, gs://, hdfs://."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import ArrowException, fs

from preimage.errors import StorageError


def digest(data: bytes | memoryview) -> str:
    """The SHA-256 of some bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Folder:
    """A folder by its path on a filesystem. It need not exist; writing makes it."""

    filesystem: fs.FileSystem
    path: str

    @classmethod
    def at(cls, uri: str | Path) -> "Folder":
        """Open a local path or a URI.

        Raises StorageError where the filesystem is unknown or out of reach.
        """
        text = str(uri)
        try:
            if "://" not in text:
                return cls(fs.LocalFileSystem(), str(Path(text).expanduser().absolute()))
            filesystem, path = fs.FileSystem.from_uri(text)
            return cls(filesystem, path)
        except (OSError, ValueError, ArrowException) as error:
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

    def __truediv__(self, name: str) -> "Folder":
        return Folder(self.filesystem, f"{self.path}/{name}")

    def exists(self, name: str = "") -> bool:
        path = f"{self.path}/{name}" if name else self.path
        return self.filesystem.get_file_info(path).type != fs.FileType.NotFound

    def names(self) -> list[str]:
        """What the folder holds, sorted; nothing where there is no folder. Temporary files are left out."""
        found = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in found if not info.base_name.startswith("."))

    def size(self, name: str) -> int:
        """A file's size in bytes. Raises StorageError where it is missing."""
        info = self.filesystem.get_file_info(f"{self.path}/{name}")
        if info.type != fs.FileType.File:
            raise StorageError(f"{self.uri}/{name} is missing")
        return info.size

    def modified_ms(self, name: str) -> int:
        """When a file was last written, in milliseconds since 1970."""
        return (self.filesystem.get_file_info(f"{self.path}/{name}").mtime_ns or 0) // 1_000_000

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises StorageError where it cannot be read."""
        try:
            with self.filesystem.open_input_stream(f"{self.path}/{name}", compression=None) as stream:
                return stream.read()
        except OSError as error:
            raise StorageError(f"cannot read {self.uri}/{name}: {error}") from error

    def read_json(self, name: str) -> Any:
        """A JSON file's value. Raises StorageError where it is missing or not JSON."""
        try:
            return json.loads(self.read(name))
        except ValueError as error:
            raise StorageError(
                f"{self.uri}/{name} is not JSON ({error}); it was altered or cut short"
            ) from error

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a whole file or nothing: under another name first, then renamed.

        Raises StorageError where the filesystem refuses, a full disk for one.
        """
        try:
            self.filesystem.create_dir(self.path, recursive=True)
            if not self.is_local:  # an object store shows an object only once it is whole
                self._stream(f"{self.path}/{name}", data)
                return
            temporary = f"{self.path}/.{uuid4().hex}.tmp"
            try:
                self._stream(temporary, data)
                self.filesystem.move(temporary, f"{self.path}/{name}")
            finally:
                Path(temporary).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot write {self.uri}/{name}: {error}. Nothing already written was touched."
            ) from error

    def write_json(self, name: str, value: Any) -> None:
        self.write(name, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())

    def delete(self) -> None:
        """Remove the folder and all it holds; nothing happens where there is none."""
        if self.exists():
            self.filesystem.delete_dir(self.path)

    def _stream(self, path: str, data: bytes | memoryview) -> None:
        with self.filesystem.open_output_stream(path, compression=None) as stream:
            stream.write(data)
