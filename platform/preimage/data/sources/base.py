"""What every source of images offers. Each process that reads a source opens it again from its config."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from typing_extensions import TypeIs

Content = bytes | np.ndarray
"""An image before it is decoded: an encoded file, or an array (H, W) or (H, W, C) of integers."""


RESERVED = ("image_id", "name", "label")
"""The columns of images.parquet that every source has; its own cannot be called so."""


class Row(NamedTuple):
    """What is known of an image besides its pixels: its row in images.parquet."""

    name: str
    """Where a user finds it: the path in the source, or such as `train/17`."""
    label: int = -1
    """The index of its class; -1 for none."""
    columns: Mapping[str, Any] = {}
    """The user's own columns, as `Source.columns` types them."""


class Sample(NamedTuple):
    """An image that was read, or why it could not be."""

    row: Row
    content: Content | None
    error: str = ""


@dataclass(frozen=True)
class LeftOut:
    """Files or images of one kind that are not read."""

    reason: str
    """Such as `suffix .HEIC`; it follows `5 files were not read:`."""
    count: int
    examples: tuple[str, ...] = ()
    """The first names, at most three."""


@dataclass(frozen=True)
class Contents:
    """What a source holds, and what of it is not read."""

    splits: Mapping[str, int] = field(default_factory=dict)
    """Images by split; empty if there is only one, or only reading would tell."""
    class_counts: tuple[int, ...] | None = None
    """Images of the chosen split by label; None if only reading would tell."""
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """What else a user should know, in sentences: what was guessed, or looks wrong."""


class Signature(NamedTuple):
    """Identifies the files of a source without reading an image."""

    listing: str
    """Digest of the names, sizes and labels of the images or files: a copy has the same."""
    state: str
    """Digest of what a rewritten file changes, such as modification time and inode, or the CRC in a .zip. It
    includes `listing`."""


class Source(Protocol):
    """Images in the source's own order; an image's id is its index there."""

    @property
    def classes(self) -> list[str]:
        """Class names by label; empty if there are none."""
        ...

    @property
    def columns(self) -> pa.Schema:
        """The user's own columns."""
        ...

    @property
    def contents(self) -> Contents: ...

    @property
    def signature(self) -> Signature: ...

    def __len__(self) -> int: ...


class MapSource(Source, Protocol):
    """A source in which any image can be read alone."""

    def row(self, index: int) -> Row:
        """All but the image, without reading it. Never fails."""
        ...

    def load(self, index: int) -> Content:
        """The image. Raises one of `decode.UNREADABLE` if it cannot be read."""
        ...

    def state(self, indices: np.ndarray) -> str:
        """Digest of what rewriting one of these images changes."""
        ...


class IterableSource(Source, Protocol):
    """A source in shards of its own, each of which is read from its start."""

    @property
    def pieces(self) -> Sequence[int]:
        """How many consecutive images each piece holds, a few thousand; a shard may have several pieces."""
        ...

    def read(self, piece: int) -> Iterator[Sample]:
        """All images of a piece, in order. Raises DataError if the shard is damaged."""
        ...

    def piece_state(self, piece: int) -> str:
        """Digest of what rewriting the piece's file changes."""
        ...


def printable(name: str) -> str:
    """A file's name as text: a name may hold bytes that are none."""
    return name.encode(errors="backslashreplace").decode()


AnySource = MapSource | IterableSource
NO_COLUMNS = pa.schema([])


def is_iterable(source: AnySource) -> TypeIs[IterableSource]:
    return hasattr(source, "pieces")
