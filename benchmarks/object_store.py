"""An object store in memory that counts its requests, and may answer each of them late."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from obstore.store import MemoryStore

from preimage.storage.bucket import Bucket
from preimage.storage.folder import Folder
from preimage.storage.object_storage import ObjectStorage
from preimage.storage.schemes import SCHEMES

SCHEME = "counted"
PAGE = 1000
"""Keys in a page of a listing, each of which is a request."""


class Counting:
    """A bucket in memory."""

    def __init__(self, seconds: float = 0.0) -> None:
        """seconds: of each request."""
        self.seconds, self.requests = seconds, Counter[str]()
        store = MemoryStore()
        self._bucket, self._lock = Bucket(("memory", "bucket", ""), store, store), Lock()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._bucket, name)

        def request(*given: Any, **named: Any) -> Any:
            try:
                found = call(*given, **named)
            except FileNotFoundError:
                self._count(f"{name}, missing")
                raise
            pages = 1 + sum(map(len, found)) // PAGE if name == "listed" else 1
            self._count(name, pages)
            return found

        return request

    def _count(self, name: str, requests: int = 1) -> None:
        time.sleep(requests * self.seconds)
        with self._lock:
            self.requests[name] += requests

    @property
    def folder(self) -> Folder:
        return Folder(ObjectStorage(self, SCHEME, "bucket"), "bucket/results")  # pyright: ignore

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """The requests within a block, once it has ended."""
        before, found = self.requests.copy(), Counter[str]()
        yield found
        found.update(self.requests - before)


def opened_by_address(store: Counting) -> None:
    """Let `counted://bucket/...` be this store."""
    folder = store.folder
    SCHEMES[SCHEME] = lambda scheme, rest: (folder.storage, rest)
