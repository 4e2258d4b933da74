"""Folders on any filesystem that pyarrow opens: a local path, file://, s3://, gs://, hdfs://."""

import errno
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pyarrow import ArrowException, fs

from preimage.errors import StorageError
from preimage.storage.address import require_address
from preimage.storage.credentials import refusal
from preimage.storage.protocol import Attempt, Entry, Held, Storage
from preimage.storage.schemes import SCHEMES, opened

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


AT_ONCE = 16
"""Files that are read at a time where each is a request."""

Value = TypeVar("Value")
Made = TypeVar("Made")


def at_once(call: Callable[[Value], Made], values: Sequence[Value]) -> list[Made]:
    """Call for all values, many at a time: for requests to a root that may be far away."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, values))


@dataclass(frozen=True)
class Folder:
    """A folder, by its path in a storage. It need not exist: writing creates it."""

    storage: Storage
    path: str
    held: Held | None = field(default=None, compare=False)
    """The claim under which it is written."""

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
            return cls(*opened(text))
        except ImportError as error:
            raise StorageError(f"{text!r} needs a package that is not here: {error}") from error
        except (OSError, ValueError, RuntimeError, ArrowException) as error:
            known = text.partition("://")[0] in SCHEMES
            remedy = "" if known else ". Give a path or a URI such as s3://bucket/folder"
            raise StorageError(f"cannot open {text!r}: {error}{remedy}.") from error

    def __str__(self) -> str:
        return self.uri

    @property
    def filesystem(self) -> fs.FileSystem:
        """For what reads files in part, by `path`."""
        return self.storage.filesystem

    @property
    def is_local(self) -> bool:
        return self.storage.is_local

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rstrip("/").rsplit("/", 1)[-1]

    @property
    def uri(self) -> str:
        """The address that `Folder.at` opens, here or elsewhere, with all that was given. Of a file in it:
        `(folder / name).uri`."""
        return self.storage.address(self.path)

    @property
    def local(self) -> Path:
        """The path on this machine. Raises StorageError on a remote filesystem."""
        if not self.is_local:
            raise StorageError(f"{self} is not on this machine")
        return Path(self.path)

    @property
    def parent(self) -> "Folder":
        return replace(self, path=self.path.rsplit("/", 1)[0])

    def __truediv__(self, name: str) -> "Folder":
        return replace(self, path=f"{self.path.rstrip('/')}/{name}")

    def exists(self, name: str = "") -> bool:
        return self._info(name) is not None

    def entries(self) -> list[Entry]:
        """What the folder holds, sorted by name, with sizes and times, by one listing; empty if there is no
        folder. Skips temporary files."""
        with self._reaching():
            found = self.storage.entries(self.path)
        return sorted(each for each in found if not each.name.startswith("."))

    def names(self) -> list[str]:
        """The names of `entries`."""
        return [each.name for each in self.entries()]

    def files(self) -> list[str]:
        """The files among `names`, without folders."""
        return [each.name for each in self.entries() if each.is_file]

    def size(self, name: str) -> int:
        """A file's size in bytes. Raises StorageError if it is missing."""
        info = self._info(name)
        if not info or not info.is_file:
            raise StorageError(f"{self / name} is missing")
        return info.size

    def modified_ms(self, name: str) -> int:
        """When a file was last written, in milliseconds since 1970."""
        info = self._info(name)
        return info.modified_ns // 1_000_000 if info else 0

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises StorageError if it cannot be read."""
        try:
            return self.storage.read((self / name).path)
        except _REFUSED as error:
            raise StorageError(f"cannot read {self / name}: {error}") from error

    def find(self, name: str) -> bytes | None:
        """A file's bytes, or None if there is none: one request. Raises StorageError if it cannot be read."""
        try:
            return self.storage.read((self / name).path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except _REFUSED as error:
            raise StorageError(f"cannot read {self / name}: {error}") from error

    def read_all(self, names: Sequence[str]) -> list[bytes | StorageError]:
        """Several files' bytes, many at a time if they are far away; the error of one that cannot be read."""

        def read(name: str) -> bytes | StorageError:
            try:
                return self.read(name)
            except StorageError as error:
                return error

        return list(map(read, names)) if self.is_local else at_once(read, names)

    def read_json(self, name: str) -> Any:
        """A JSON file's value. Raises StorageError if it is missing or not JSON."""
        return self.parsed(name, self.read(name))

    def find_json(self, name: str) -> Any | None:
        """A JSON file's value, or None if there is no such file. Raises StorageError if it is not JSON."""
        found = self.find(name)
        return None if found is None else self.parsed(name, found)

    def parsed(self, name: str, data: bytes) -> Any:
        """The value of a JSON file that was read. Raises StorageError if it is not JSON."""
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise StorageError(f"{self / name} is not JSON ({error}); it was altered or truncated") from error

    def write(self, name: str, data: bytes | memoryview, durable: bool = True) -> None:
        """Write a whole file or nothing. durable: as in `writing`.

        Raises StorageError if the filesystem refuses, for example because the disk is full.
        """
        with self.writing(name, durable) as stream:
            stream.write(data)

    @contextmanager
    def writing(self, name: str, durable: bool = True) -> Iterator[BinaryIO]:
        """A stream to write a file to. The whole file appears after the block; an error leaves no file.

        durable: whether it survives a loss of power. What is made again at no loss, such as progress, need
        not wait for the disk. Raises StorageError if the filesystem refuses, within the block or at its end.
        """
        with self._writing(name), self.storage.writing((self / name).path, durable) as stream:
            yield stream

    def commit(self, name: str, data: bytes) -> None:
        """Write a file that says that something is finished.

        Raises ClaimLost if another process has taken over the claim under which the folder is written; then
        the file is untouched, or who took over has finished it. StorageError if the filesystem refuses.
        """
        with self._writing(name):
            self.storage.commit((self / name).path, data, self.held)

    def write_json(self, name: str, value: Any, durable: bool = True) -> None:
        self.write(name, as_json(value), durable)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with self._reaching():
            self.storage.remove((self / name).path)

    def delete(self) -> None:
        """Remove the folder and everything in it, if it exists."""
        with self._reaching():
            self.storage.delete(self.path)

    def settle(self) -> None:
        """Make durable what can be seen in it: see `Storage.settle`. Its claim does so too."""
        with self._reaching():
            self.storage.settle(self.path)

    def claim(self, who: dict[str, Any]) -> Attempt:
        """How to claim the folder: see `claims.claimed`."""
        attempt = self.storage.claim(self.path, who)

        def reached() -> Any:
            with self._reaching():
                return attempt()

        return reached

    def holder(self) -> dict[str, Any] | None:
        """Who holds its claim, as far as one look tells; None if nobody does."""
        with self._reaching():
            return self.storage.holder(self.path)

    def everything(self) -> list[Entry]:
        """All files below it, temporary ones and claims too, by their paths from here, sorted."""
        with self._reaching():
            return sorted(self.storage.everything(self.path))

    def vacate(self) -> None:
        """Remove the folder, once it is empty, and its claim: see `Storage.vacate`."""
        with self._reaching():
            self.storage.vacate(self.path)

    def _info(self, name: str) -> Entry | None:
        with self._reaching():
            return self.storage.info((self / name).path if name else self.path)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except _REFUSED as error:
            raise StorageError(f"cannot reach {self}: {error}") from error

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"cannot write {self / name}: {error}. {_remedy(error)}Files already written are unchanged."
            ) from error


def as_json(value: Any) -> bytes:
    """A value as the JSON files of a folder have it."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
