"""What we ask of a bucket of an object store."""

from typing import BinaryIO, Literal, NamedTuple, Protocol

Version = str | None | Literal["any"]
"""What a write may replace: the version with this etag, nothing (None), or any version."""


class Conflict(Exception):
    """A conditional write met another version than the one it names."""


class Unsupported(OSError):
    """The store refuses conditional writes altogether."""


class Fetched(NamedTuple):
    """Bytes of an object."""

    data: bytes
    size: int
    """Of the whole object."""
    etag: str


class Meta(NamedTuple):
    """An object without its bytes."""

    key: str
    size: int
    modified_ns: int
    etag: str


class Objects(Protocol):
    """One bucket: each method is one request, a page of a listing, or the parts of a large object.

    Methods raise FileNotFoundError for a key that does not exist, OSError if the store does not answer, and
    ValueError for an invalid key.
    """

    def get(self, key: str) -> Fetched: ...
    def get_range(self, key: str, start: int, length: int) -> bytes: ...
    def start(self, key: str, length: int) -> Fetched:
        """At most the first bytes."""
        ...

    def tail(self, key: str, length: int) -> Fetched:
        """At most the last bytes."""
        ...

    def head(self, key: str) -> Meta: ...
    def put(self, key: str, data: bytes | BinaryIO, over: Version = "any") -> str:
        """Write an object over any version, over the one with this etag, or if there is none yet: None.
        Returns the new etag. Raises Conflict, and Unsupported if the store knows no such condition."""
        ...

    def listed(self, prefix: str, recursive: bool) -> tuple[list[Meta], list[str]]:
        """The objects below a prefix that ends with a slash or is empty, and unless `recursive` the
        prefixes one level below."""
        ...

    def holds(self, prefix: str) -> bool:
        """Whether any object has this prefix."""
        ...

    def delete(self, keys: list[str]) -> None: ...
