"""Folders of any other filesystem that pyarrow opens: hdfs://, abfs://. It knows no claims, which is said."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pyarrow import fs

from preimage.storage.file_locks import unclaimed
from preimage.storage.protocol import Attempt, Clock, Entry, Held, RealClock


@dataclass(frozen=True)
class OtherStorage:
    """A filesystem of pyarrow, as it comes."""

    filesystem: fs.FileSystem
    prefix: str
    """What an address has before the path, such as hdfs://host:8020."""
    query: str = ""
    clock: Clock = field(default_factory=RealClock, compare=False)
    is_local: bool = False

    def address(self, path: str) -> str:
        return f"{self.prefix}{path}{self.query}"

    def info(self, path: str) -> Entry | None:
        found = self.filesystem.get_file_info(path)
        return None if found.type == fs.FileType.NotFound else _entry(found)

    def entries(self, path: str) -> list[Entry]:
        return [
            _entry(each)
            for each in self.filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
        ]

    def read(self, path: str) -> bytes:
        with self.filesystem.open_input_stream(path, compression=None) as stream:
            return stream.read()

    @contextmanager
    def writing(self, path: str, durable: bool) -> Iterator[BinaryIO]:
        """Sent at the end: closing a remote stream publishes it, even after an error."""
        memory = io.BytesIO()
        yield memory
        self.filesystem.create_dir(path.rsplit("/", 1)[0], recursive=True)
        with self.filesystem.open_output_stream(path, compression=None) as stream:
            stream.write(memory.getbuffer())

    def commit(self, path: str, data: bytes, held: Held | None) -> None:
        with self.writing(path, durable=True) as stream:
            stream.write(data)

    def remove(self, path: str) -> None:
        if self.info(path):
            self.filesystem.delete_file(path)

    def delete(self, path: str) -> None:
        if self.info(path):
            self.filesystem.delete_dir(path)

    def settle(self, path: str) -> None:
        """What can be seen is durable."""

    def claim(self, path: str, who: dict[str, Any]) -> Attempt:
        return unclaimed(self.address(path), "this storage has neither locks nor conditional writes")

    def holder(self, path: str) -> dict[str, Any] | None:
        return None

    def everything(self, path: str) -> list[Entry]:
        found = self.filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
        below = len(path.rstrip("/")) + 1
        files = [each for each in found if each.type == fs.FileType.File]
        return [_entry(each)._replace(name=each.path[below:]) for each in files]

    def vacate(self, path: str) -> None:
        self.delete(path)


def _entry(found: fs.FileInfo) -> Entry:
    is_file = found.type == fs.FileType.File
    return Entry(found.base_name, is_file, found.size or 0, found.mtime_ns or 0)
