"""An object store as a pyarrow filesystem, for what reads files in part: Parquet, .zip, .tar."""

import io
from typing import Any

import pyarrow as pa
from pyarrow import fs

from preimage.storage.objects import Objects
from preimage.storage.protocol import Storage

BLOCK = 8 << 20
"""Bytes of a request of a file that is read from its beginning on."""
TAIL = 64 << 10
"""Bytes that opening a file reads at its end, where Parquet and .zip have their tables."""


class ObjectHandler(fs.FileSystemHandler):
    """Answers pyarrow."""

    def __init__(self, storage: Storage, objects: Objects, scheme: str) -> None:
        self.storage, self.objects, self.scheme = storage, objects, scheme

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectHandler) and self.storage == other.storage

    def __ne__(self, other: object) -> bool:
        return not self == other

    def get_type_name(self) -> str:
        return self.scheme

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[fs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        base = selector.base_dir.rstrip("/")
        if not selector.recursive:
            found = [
                _file(f"{base}/{each.name}", each.size, each.modified_ns)
                if each.is_file
                else fs.FileInfo(f"{base}/{each.name}", fs.FileType.Directory)
                for each in self.storage.entries(base)
            ]
        else:
            bucket, _, key = base.partition("/")
            files, _ = self.objects.listed(f"{key}/" if key else "", recursive=True)
            found = [
                _file(f"{bucket}/{each.key}", each.size, each.modified_ns)
                for each in files
                if not each.key.endswith("/")
            ]
        if not found and not selector.allow_not_found and self.storage.info(base) is None:
            raise FileNotFoundError(base)
        return found

    def create_dir(self, path: str, recursive: bool) -> None:
        """An object store has no folders to make."""

    def delete_dir(self, path: str) -> None:
        self.storage.delete(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        self.storage.delete(path)

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError("the contents of a whole bucket are not deleted")

    def delete_file(self, path: str) -> None:
        self.storage.remove(path)

    def move(self, src: str, dest: str) -> None:
        self.copy_file(src, dest)
        self.storage.remove(src)

    def copy_file(self, src: str, dest: str) -> None:
        self.objects.put(_key(dest), self.storage.read(src))

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(io.BufferedReader(ObjectStream(self.objects, _key(path)), BLOCK), mode="r")

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(ObjectFile(self.objects, _key(path)), mode="r")

    def open_output_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        return pa.PythonFile(_Sent(self.objects, _key(path)), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        raise NotImplementedError("an object cannot grow")

    def _info(self, path: str) -> fs.FileInfo:
        found = self.storage.info(path)
        if found is None:
            return fs.FileInfo(path, fs.FileType.NotFound)
        if not found.is_file:
            return fs.FileInfo(path, fs.FileType.Directory)
        return _file(path, found.size, found.modified_ns)


def _key(path: str) -> str:
    """Of bucket/key."""
    return path.partition("/")[2]


def _file(path: str, size: int, modified_ns: int) -> fs.FileInfo:
    return fs.FileInfo(path, fs.FileType.File, size=size, mtime_ns=modified_ns)


class ObjectStream(io.RawIOBase):
    """An object that is read from its beginning on: a small one by one request."""

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects, self._key, self._at = objects, key, 0
        self._first = objects.start(key, BLOCK)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _next(self, most: int) -> bytes:
        length = min(most, self._first.size - self._at)
        if self._at < len(self._first.data) or not length:
            return self._first.data[self._at : self._at + length]
        return self._objects.get_range(self._key, self._at, length)


class ObjectFile(io.RawIOBase):
    """An object that is read in part: opening it is one request, which also tells its size."""

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects, self._key, self._at = objects, key, 0
        end = self._objects.tail(self._key, TAIL)
        self._size, self._tail = end.size, end.data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def size(self) -> int:
        """In bytes, as pyarrow asks."""
        return self._size

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; the rest of the object if it is negative."""
        left = max(0, self._size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        start, self._at = self._at, self._at + length
        held = self._size - len(self._tail)
        if start >= held or not length:
            return self._tail[max(0, start - held) : max(0, start - held) + length]
        return self._objects.get_range(self._key, start, length)


class _Sent(io.BytesIO):
    """What is written is sent when it is closed."""

    def __init__(self, objects: Objects, key: str) -> None:
        super().__init__()
        self._objects, self._key = objects, key

    def close(self) -> None:
        if not self.closed:
            self._objects.put(self._key, self.getvalue())
        super().close()
