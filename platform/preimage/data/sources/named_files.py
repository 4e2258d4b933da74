"""Image files that a table names: where each lies, whether it is there, and its bytes."""

import os
import stat
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
from pyarrow import fs

from preimage.data.sources.listing import MAX_BYTES, read_file
from preimage.data.sources.read_errors import reaching
from preimage.storage.address import split_options
from preimage.storage.folder import Folder

ABSENT = -1
_THREADS = 16
_AT_ONCE = 1000
_SLOW = 50e-6
"""Seconds for a file, above which storage is not a disk of this machine."""


class NamedFiles:
    """Files by a path relative to a folder, an absolute path, or a URI."""

    def __init__(self, base: Folder) -> None:
        self._base, self._is_local = base, base.is_local

    def locate(self, name: str) -> Folder:
        """A file as a path on its filesystem. Raises StorageError for a URI that cannot be opened."""
        place, options = split_options(name)
        scheme, colon, rest = place.partition("://")
        if not colon:
            return replace(self._base, path=name) if name.startswith("/") else self._base / name
        authority, _, path = rest.partition("/")
        base, ours = split_options(self._base.uri)
        if base.startswith(f"{scheme}://"):  # then at the same server, unless it names one
            options = options or ours
        return _opened(f"{scheme}://{authority}/{options}") / path

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises OSError or ValueError if it cannot be read, or never ends."""
        file = self.locate(name)
        if file.is_local:
            return read_file(file.local)
        with file.filesystem.open_input_stream(file.path, compression=None) as stream:
            return stream.read(MAX_BYTES)

    def stats(self, names: Sequence[str]) -> np.ndarray:
        """Of each file: size, modification time and inode, (n, 3) int64; ABSENT if it is not there.

        Raises DataError if a filesystem cannot be reached.
        """
        found = np.full((len(names), 3), ABSENT, np.int64)
        remote: dict[int, tuple[fs.FileSystem, dict[str, int]]] = {}  # a storage cannot be a key

        def fill(start: int) -> None:
            some = []
            for index, name in enumerate(names[start : start + _AT_ONCE], start):
                if self._is_local and "://" not in name:  # nearly always, and `locate` takes its time
                    some.append(_local_stat(os.path.join(self._base.path, name)))
                elif (file := self.locate(name)).is_local:
                    some.append(_local_stat(file.path))
                else:
                    some.append((ABSENT, ABSENT, ABSENT))
                    remote.setdefault(id(file.storage), (file.filesystem, {}))[1][file.path] = index
            found[start : start + len(some)] = some

        _each(fill, range(0, len(names), _AT_ONCE))
        for filesystem, indices in remote.values():
            for each in _remote_files(filesystem, indices):
                if each.is_file and each.path in indices:
                    found[indices[each.path]] = each.size, each.mtime_ns or 0, 0
        return found


def _each(work: Callable[[int], None], pieces: range) -> None:
    """Do the first piece; the others in threads if that shows that storage is slow: on a disk of this machine
    threads only wait for each other, and take twice as long."""
    begin = time.perf_counter()
    for piece in pieces[:1]:
        work(piece)
    slow = time.perf_counter() - begin > _AT_ONCE * _SLOW
    with ThreadPoolExecutor(_THREADS if slow else 1) as pool:
        list(pool.map(work, pieces[1:]))


@cache
def _opened(root: str) -> Folder:
    return Folder.at(root)


def _local_stat(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in its name
        return ABSENT, ABSENT, ABSENT
    is_file = stat.S_ISREG(found.st_mode)
    return (found.st_size, found.st_mtime_ns, found.st_ino) if is_file else (ABSENT, ABSENT, ABSENT)


def _remote_files(filesystem: fs.FileSystem, paths: Collection[str]) -> list[fs.FileInfo]:
    """All files of the folders that hold these: many files take few requests."""
    folders = sorted({path.rpartition("/")[0] for path in paths})
    with reaching(folders[0]), ThreadPoolExecutor(_THREADS) as pool:
        selectors = (fs.FileSelector(folder, allow_not_found=True) for folder in folders)
        return [info for found in pool.map(filesystem.get_file_info, selectors) for info in found]
