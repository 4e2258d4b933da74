"""Folders of an object store: every request is whole or not at all, and the next one sees it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pyarrow import fs

from preimage.storage.arrow_files import ObjectHandler
from preimage.storage.claim_record import NAME
from preimage.storage.leases import commit, holder, lease
from preimage.storage.objects import Objects
from preimage.storage.protocol import Attempt, Clock, Entry, Held, RealClock

IN_MEMORY = 32 << 20
"""Bytes of a file that wait in memory until it is sent; more of them wait in a temporary file."""


@dataclass(frozen=True)
class ObjectStorage:
    """A bucket. Its address is kept as it was given, so that what is opened again is the same place."""

    objects: Objects = field(compare=False)
    scheme: str
    bucket: str
    query: str = ""
    """What follows the path, such as `?endpoint_override=127.0.0.1:9000`; never a credential."""
    clock: Clock = field(default_factory=RealClock, compare=False)
    is_local: bool = False

    @property
    def filesystem(self) -> fs.FileSystem:
        return fs.PyFileSystem(ObjectHandler(self, self.objects, self.scheme))

    def address(self, path: str) -> str:
        return f"{self.scheme}://{path}{self.query}"

    def key(self, path: str) -> str:
        """The key of bucket/key. Raises ValueError for a path of another bucket."""
        bucket, _, key = path.partition("/")
        if bucket != self.bucket:
            raise ValueError(f"{path} is not in the bucket {self.bucket}")
        return key.rstrip("/")

    def info(self, path: str) -> Entry | None:
        key, name = self.key(path), path.rstrip("/").rsplit("/", 1)[-1]
        if key:
            try:
                found = self.objects.head(key)
                return Entry(name, True, found.size, found.modified_ns)
            except FileNotFoundError:
                pass
        return Entry(name, False) if self.objects.holds(_prefix(key)) else None

    def entries(self, path: str) -> list[Entry]:
        prefix = _prefix(self.key(path))
        files, folders = self.objects.listed(prefix, recursive=False)
        start = len(prefix)
        found = [Entry(each.key[start:], True, each.size, each.modified_ns) for each in files]
        found = [each for each in found if each.name]  # an empty one: how some programs mark a folder
        return found + [Entry(each[start:].rstrip("/"), False) for each in folders]

    def read(self, path: str) -> bytes:
        return self.objects.get(self.key(path)).data

    @contextmanager
    def writing(self, path: str, durable: bool) -> Iterator[BinaryIO]:
        """Sent at the end: what an error leaves is never published."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as stream:
            yield stream  # pyright: ignore[reportReturnType]
            stream.seek(0)
            self.objects.put(self.key(path), stream)  # pyright: ignore[reportArgumentType]

    def commit(self, path: str, data: bytes, held: Held | None) -> None:
        if held:
            commit(self.objects, self.key(path), data, self.key(held.path), held.token, self.clock)
        else:
            self.objects.put(self.key(path), data)

    def remove(self, path: str) -> None:
        self.objects.delete([self.key(path)])

    def delete(self, path: str) -> None:
        found, _ = self.objects.listed(_prefix(self.key(path)), recursive=True)
        self.objects.delete([each.key for each in found])

    def settle(self, path: str) -> None:
        """What can be seen is durable."""

    def claim(self, path: str, who: dict[str, Any]) -> Attempt:
        return lease(self.objects, path, self.key(path), self.address(path), who, self.clock)

    def holder(self, path: str) -> dict[str, Any] | None:
        return holder(self.objects, f"{self.key(path)}/{NAME}")

    def everything(self, path: str) -> list[Entry]:
        prefix = _prefix(self.key(path))
        found, _ = self.objects.listed(prefix, recursive=True)
        return [Entry(each.key[len(prefix) :], True, each.size, each.modified_ns) for each in found]

    def vacate(self, path: str) -> None:
        self.objects.delete([f"{self.key(path)}/{NAME}"])


def _prefix(key: str) -> str:
    return f"{key}/" if key else ""
