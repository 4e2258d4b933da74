"""Identify images by what they are, with a digest that no order and no division of the work changes."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np
import pyarrow as pa

from preimage.data.sources.base import Content, Row
from preimage.storage.folder import canonical_json, digest

_BITS = 256


class ReadPiece(TypedDict):
    """Images that were read together."""

    state: str
    """Of their files, as the source gave it then: what still has it need not be read again."""
    content: str
    """Their `ContentSum`, as hex."""


class ContentSum:
    """The sum of the digests of images with their ids, names, labels and columns, modulo 2**256."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, image_id: int, row: Row, content: Content | None) -> None:
        """Add an image; content None if it cannot be read."""
        about = canonical_json([image_id, row.name, row.label, {**row.columns}])
        hasher = hashlib.sha256(about.encode(errors="surrogateescape"))
        if isinstance(content, np.ndarray):
            hasher.update(f"\0{content.dtype.str} {content.shape}\0".encode())
            content = np.ascontiguousarray(content).tobytes()
        hasher.update(b"unreadable" if content is None else content)
        self._sum = (self._sum + int.from_bytes(hasher.digest(), "big")) % (1 << _BITS)

    @property
    def hex(self) -> str:
        return f"{self._sum:064x}"


def identity(contents: Iterable[str], classes: Sequence[str], columns: pa.Schema) -> str:
    """Identifies a set of images by the sums of its parts, in any order."""
    total = sum(int(each, 16) for each in contents) % (1 << _BITS)
    return digest(canonical_json([f"{total:064x}", list(classes), columns.to_string()]).encode())
