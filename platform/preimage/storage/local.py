"""Folders of this machine, network file systems included: whole files, durable once they have their name."""

import errno
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from pyarrow import fs

from preimage.errors import StorageError
from preimage.storage import file_locks
from preimage.storage.file_locks import try_lock
from preimage.storage.protocol import Attempt, Claim, Clock, Entry, Held, RealClock

NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EROFS)
"""What file systems say that cannot sync a folder, or hold no folder of ours."""


TEMPORARY = ".tmp"
"""How the name of a file ends that is being written. It begins with a dot."""
STEP = 16 << 20
"""Bytes of a file after which they begin their way to the disk."""


class _Outgoing(io.FileIO):
    """A large file's bytes go to the disk while more are written, so that syncing it at the end is short."""

    _written = _begun = 0

    def write(self, data: Any) -> int:
        size = super().write(data)
        self._written += size
        if self._written - self._begun >= STEP and hasattr(os, "posix_fadvise"):
            # Linux begins to write a range that is not needed, and keeps what is not written yet
            os.posix_fadvise(self.fileno(), self._begun, self._written - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = self._written
        return size


class Posix:
    """The calls to the operating system that decide what a crash leaves. A simulation replaces them."""

    @property
    def filesystem(self) -> fs.FileSystem:
        return fs.LocalFileSystem()

    def create(self, path: str) -> BinaryIO:
        return io.BufferedWriter(_Outgoing(path, "xb"))

    def sync(self, stream: BinaryIO) -> None:
        stream.flush()
        os.fsync(stream.fileno())

    def replace(self, path: str, new: str) -> None:
        os.replace(path, new)

    def make_folder(self, path: str) -> None:
        os.mkdir(path)

    def sync_folder(self, path: str) -> None:
        place = None
        try:
            place = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(place)
        except OSError as error:
            if error.errno not in NO_SYNC:
                raise
        finally:
            if place is not None:
                os.close(place)

    def read(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def info(self, path: str) -> Entry | None:
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Entry(os.path.basename(path), not os.path.isdir(path), found.st_size, found.st_mtime_ns)

    def entries(self, path: str) -> list[Entry]:
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            return []
        found = [self.info(f"{path}/{name}") for name in names]  # None: it has just gone
        return [each for each in found if each]

    def folders(self, path: str) -> list[str]:
        """The names of the folders in it, without asking for each file."""
        with os.scandir(path) as found:
            return [each.name for each in found if each.is_dir(follow_symlinks=False)]

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def delete(self, path: str) -> None:
        shutil.rmtree(path)

    def lock(self, path: str, who: dict[str, Any]) -> Attempt:
        return try_lock(Path(path), who)


@dataclass(frozen=True)
class LocalStorage:
    """A file appears by a rename, after its bytes are on the disk; its entry in the folder follows them."""

    posix: Posix = field(default_factory=Posix, compare=False)
    clock: Clock = field(default_factory=RealClock, compare=False)
    is_local: bool = True
    scheme: str = ""

    @property
    def filesystem(self) -> fs.FileSystem:
        return self.posix.filesystem

    def address(self, path: str) -> str:
        return self.scheme + path

    def info(self, path: str) -> Entry | None:
        return self.posix.info(path)

    def entries(self, path: str) -> list[Entry]:
        return self.posix.entries(path)

    def read(self, path: str) -> bytes:
        return self.posix.read(path)

    @contextmanager
    def writing(self, path: str, durable: bool) -> Iterator[BinaryIO]:
        folder = os.path.dirname(path)
        self._make(folder)
        temporary = f"{folder}/.{uuid4().hex}{TEMPORARY}"
        try:
            with self.posix.create(temporary) as stream:
                yield stream
                if durable:
                    self.posix.sync(stream)
            self.posix.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                self.posix.unlink(temporary)
            raise
        if durable:
            self.posix.sync_folder(folder)

    def commit(self, path: str, data: bytes, held: Held | None) -> None:
        """The kernel holds the lock for as long as its process lives: nobody else can have taken over."""
        with self.writing(path, durable=True) as stream:
            stream.write(data)

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self.posix.unlink(path)

    def delete(self, path: str) -> None:
        """Durably: a part of it that came back would look like the work of another attempt."""
        with suppress(FileNotFoundError):
            self.posix.delete(path)
            self.posix.sync_folder(os.path.dirname(path))

    def settle(self, path: str) -> None:
        """All names below a folder, and its own. Their bytes are durable already, since they precede the
        names; and where nothing changed, a sync takes no time."""
        self._sync_below(path)
        while (above := os.path.dirname(path)) != path:
            self.posix.sync_folder(above)
            path = above

    def claim(self, path: str, who: dict[str, Any]) -> Attempt:
        """Whoever holds the claim relies on what is there: it is durable by then."""
        lock = self.posix.lock(path, who)

        def attempt() -> Claim | dict[str, Any]:
            try:
                self._make(path)
                if isinstance(claim := lock(), dict):
                    return claim
                with ExitStack() as failing:
                    failing.callback(claim.release)
                    self.settle(path)
                    failing.pop_all()
                return claim
            except FileNotFoundError:  # whoever held it has just removed the folder
                return {}
            except OSError as error:
                raise StorageError(
                    f"cannot write in {path}: {error.strerror}. Free some space or allow writing there, or "
                    "choose another folder with results=FOLDER; existing files are unchanged"
                ) from error

        return attempt

    def holder(self, path: str) -> dict[str, Any] | None:
        return file_locks.holder(Path(path))

    def everything(self, path: str) -> list[Entry]:
        return [entry for place in os.walk(path) for entry in self._files(path, place)]

    def vacate(self, path: str) -> None:
        """Whoever waits for the claim makes the folder anew; its folder stays."""
        with suppress(OSError):
            for name in os.listdir(path):
                if name.endswith(TEMPORARY) or name == file_locks.NAME:
                    self.posix.unlink(f"{path}/{name}")
            os.rmdir(path)
            self.posix.sync_folder(os.path.dirname(path))

    def _files(self, path: str, place: tuple[str, list[str], list[str]]) -> Iterator[Entry]:
        """The files of a folder below a path, by their paths from there."""
        where, _, names = place
        for name in names:
            with suppress(FileNotFoundError):
                found = os.lstat(f"{where}/{name}")
                below = os.path.relpath(f"{where}/{name}", path)
                yield Entry(below, True, found.st_size, found.st_mtime_ns)

    def _make(self, folder: str) -> None:
        if self.posix.info(folder):
            return
        above = os.path.dirname(folder)
        self._make(above)
        with suppress(FileExistsError):  # another process has just made it
            self.posix.make_folder(folder)
        self.posix.sync_folder(above)

    def _sync_below(self, folder: str) -> None:
        with suppress(FileNotFoundError):  # a worker of a killed process still removes it
            self.posix.sync_folder(folder)
            for name in self.posix.folders(folder):
                self._sync_below(f"{folder}/{name}")
