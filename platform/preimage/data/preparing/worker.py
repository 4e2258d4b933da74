"""A worker process's part of preparation: pieces of a source that it opens itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from preimage.data.config import DataConfig
from preimage.data.preparing.content import ContentSum
from preimage.data.preparing.decoded import sample_of
from preimage.data.preparing.shard_images import FromSource, ShardImages
from preimage.data.preparing.shard_plan import ShardPlan
from preimage.data.preparing.shards import Record, read_record, write_shard
from preimage.data.preparing.unpack import FromUnpacked, UnpackedRecord, read_unpacked, unpack
from preimage.data.sources.base import AnySource, is_iterable
from preimage.data.sources.file_state import placed
from preimage.data.sources.open import open_located
from preimage.errors import DataError
from preimage.storage.folder import Folder

if TYPE_CHECKING:
    import torch

UNPACKED = "unpacked"


class Reader:
    """A source that each process opens for itself, and must find to be the same, unless it was sent along."""

    def __init__(self, config: DataConfig, source: AnySource) -> None:
        """config: located."""
        self.config = config
        self._source: AnySource | None = source
        self._listing, self._classes = source.signature.listing, source.classes

    def __getstate__(self) -> dict[str, Any]:
        """With the source only if that is small, and an address that means the same files everywhere."""
        address = self.config.path or ""
        everywhere = "://" in address and not address.startswith("file:")
        shipped = everywhere and self._source is not None and is_iterable(self._source)
        return self.__dict__ | ({} if shipped else {"_source": None})

    @property
    def source(self) -> AnySource:
        """Raises DataError if this process finds other files."""
        self._source = self._source or self._open()
        return self._source

    def _open(self) -> AnySource:
        source = open_located(self.config)
        if (source.signature.listing, source.classes) != (self._listing, self._classes):
            raise DataError(
                f"the images in {self.config.path} changed during preparation, or differ between machines; "
                "make them the same, then run again"
            )
        return source


def pieces_of(source: AnySource) -> list[int]:
    """The images in each piece of a source that is read in order; empty for others."""
    return list(source.pieces) if is_iterable(source) else []


class Unpacker:
    """Unpacks the pieces of a source that is read in order."""

    def __init__(self, reader: Reader, plan: ShardPlan, folder: Folder) -> None:
        self._reader, self._plan, self._folder = reader, plan, folder / UNPACKED
        self._images = pieces_of(reader.source)

    def __call__(self, piece: int, device: torch.device) -> UnpackedRecord:
        source = self._reader.source
        assert is_iterable(source)
        return unpack(source, self._reader.config, self._plan, piece, self._folder)

    def finished(self, pieces: Sequence[int]) -> dict[int, UnpackedRecord | None]:
        found = {piece: read_unpacked(self._plan, piece, self._folder) for piece in pieces}
        return {piece: record for piece, record in found.items() if record}

    def size(self, piece: int) -> int:
        """Images in a piece."""
        return self._images[piece]


class ShardWriter:
    """Makes shards, in whatever process it is sent to."""

    def __init__(self, reader: Reader, plan: ShardPlan, folder: Folder) -> None:
        self._reader, self._plan, self._folder = reader, plan, folder
        self._pieces = pieces_of(reader.source)

    def __call__(self, piece: int, device: torch.device) -> Record:
        return write_shard(self._images(), self._reader.config, self._plan, piece, self._folder)

    def _images(self) -> ShardImages:
        if self._pieces:
            return FromUnpacked(self._folder / UNPACKED, self._pieces, self._reader.config)
        source = self._reader.source
        assert not is_iterable(source)
        return FromSource(source, self._reader.config)

    def finished(self, pieces: Sequence[int]) -> dict[int, Record | None]:
        found = {shard: read_record(self._plan, shard, self._folder) for shard in pieces}
        return {shard: record for shard, record in found.items() if record}

    def size(self, piece: int) -> int:
        """Images in a shard."""
        return self._plan.size(piece)


class ContentReader:
    """Reads what a source holds, without decoding it. Pieces of unchanged files count as they were."""

    def __init__(self, reader: Reader, plan: ShardPlan, known: Sequence[Mapping[str, str]]) -> None:
        """known: of each piece, the `ContentSum` as hex by the state that its files had."""
        self._reader, self._plan, self._known = reader, plan, known
        self._sizes = pieces_of(reader.source)

    def __call__(self, piece: int, device: torch.device) -> str:
        source, known, content = self._reader.source, self._known[piece], ContentSum()
        if is_iterable(source):
            if same := known.get(placed(source.piece_state(piece), self._reader.config)):
                return same
            first = sum(source.pieces[:piece])
            used = self._plan.is_used(first + np.arange(source.pieces[piece]))
            for place, sample in enumerate(source.read(piece)):
                if place < len(used) and used[place]:
                    content.add(first + place, sample.row, sample.content)
        else:
            image_ids = self._plan.image_ids(piece)
            if same := known.get(placed(source.state(image_ids), self._reader.config)):
                return same
            for image_id in image_ids.tolist():
                sample = sample_of(source, image_id)
                content.add(image_id, sample.row, sample.content)
        return content.hex

    def finished(self, pieces: Sequence[int]) -> dict[int, str | None]:
        return {}

    def size(self, piece: int) -> int:
        """Images in a piece."""
        return self._sizes[piece] if self._sizes else self._plan.size(piece)
