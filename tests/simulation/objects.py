"""A bucket in memory that behaves as S3 does: strongly consistent, with conditional writes."""

import hashlib
from collections.abc import Callable
from typing import Any, BinaryIO, Literal, NamedTuple

from preimage.storage.objects import Conflict, Fetched, Meta, Version


class Request(NamedTuple):
    """What is asked of the bucket."""

    moment: Literal["before", "after"]
    method: str
    """Such as get, put, delete."""
    key: str
    """Of several keys, the first."""

    @property
    def mutates(self) -> bool:
        return self.method in ("put", "delete")


class AnswerLost(Exception):
    """Raised by a hook after a request: the client sends it again."""


Hook = Callable[[Request], None]
"""Called before and after each request. It may raise: a kill or an error before a request, so that it was
never made; a kill or an error after it, so that it was made and nobody knows; AnswerLost."""


class SimulatedObjects:
    """Several processes share `content`, and each sees it through an own instance with an own hook.

    An etag is a digest of the content, so that the same content has the same etag again.
    """

    def __init__(
        self,
        hook: Hook = lambda request: None,
        content: dict[str, tuple[bytes, int]] | None = None,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """now: the server's clock, in seconds."""
        self.hook, self.content, self._now = hook, {} if content is None else content, now

    def get(self, key: str) -> Fetched:
        return self._ask("get", key, lambda: self._fetched(key))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._ask("get_range", key, lambda: self._fetched(key).data[start : start + length])

    def tail(self, key: str, length: int) -> Fetched:
        def read() -> Fetched:
            found = self._fetched(key)
            return found._replace(data=found.data[max(0, found.size - length) :])

        return self._ask("tail", key, read)

    def start(self, key: str, length: int) -> Fetched:
        found = self._ask("start", key, lambda: self._fetched(key))
        return Fetched(found.data[:length], found.size, found.etag)

    def head(self, key: str) -> Meta:
        return self._ask("head", key, lambda: self._meta(key))

    def put(self, key: str, data: bytes | BinaryIO, over: Version = "any") -> str:
        sent = data if isinstance(data, bytes | bytearray | memoryview) else data.read()

        def write() -> str:
            there = etag_of(self.content[key][0]) if key in self.content else None
            if over not in ("any", there):
                raise Conflict(key)
            self.content[key] = bytes(sent), int(self._now() * 1e9)
            return etag_of(sent)

        return self._ask("put", key, write)

    def listed(self, prefix: str, recursive: bool) -> tuple[list[Meta], list[str]]:
        def read() -> tuple[list[Meta], list[str]]:
            found = [key for key in sorted(self.content) if key.startswith(prefix)]
            if recursive:
                return [self._meta(key) for key in found], []
            inner = {key.removeprefix(prefix).partition("/")[0] for key in found if "/" in key[len(prefix) :]}
            files = [self._meta(key) for key in found if "/" not in key[len(prefix) :]]
            return files, [f"{prefix}{name}/" for name in sorted(inner)]

        return self._ask("listed", prefix, read)

    def holds(self, prefix: str) -> bool:
        return self._ask("holds", prefix, lambda: any(key.startswith(prefix) for key in self.content))

    def delete(self, keys: list[str]) -> None:
        def remove() -> None:
            for key in keys:
                self.content.pop(key, None)

        if keys:
            self._ask("delete", keys[0], remove)

    def _ask(self, method: str, key: str, answer: Callable[[], Any]) -> Any:
        while True:
            self.hook(Request("before", method, key))
            found = answer()
            try:
                self.hook(Request("after", method, key))
            except AnswerLost:
                continue
            return found

    def _fetched(self, key: str) -> Fetched:
        if key not in self.content:
            raise FileNotFoundError(key)
        data, _ = self.content[key]
        return Fetched(data, len(data), etag_of(data))

    def _meta(self, key: str) -> Meta:
        if key not in self.content:
            raise FileNotFoundError(key)
        data, modified_ns = self.content[key]
        return Meta(key, len(data), modified_ns, etag_of(data))


class Versions(dict[str, tuple[bytes, int]]):
    """A bucket that remembers what it held."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, list[tuple[bytes, float]]] = {}

    def __setitem__(self, key: str, value: tuple[bytes, int]) -> None:
        super().__setitem__(key, value)
        self.of.setdefault(key, []).append((value[0], value[1] / 1e9))


def etag_of(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'
