"""A worker process's part of preparation: shards, from a source that it opens itself."""

from collections.abc import Sequence
from typing import Any

import torch

from preimage.data.config import DataConfig
from preimage.data.shards import Record, ShardPlan, read_record, write_shard
from preimage.data.sources import Source, open_located
from preimage.errors import DataError
from preimage.storage.folder import Folder


class ShardWriter:
    """Makes shards, as pieces of work, in whatever process it is sent to; opens the source once there."""

    def __init__(self, config: DataConfig, source: Source, plan: ShardPlan, folder: Folder) -> None:
        self._config, self._plan, self._folder = config, plan, folder
        self._source: Source | None = source
        self._signature = source.signature

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_source": None}

    def _open(self) -> Source:
        source = open_located(self._config)
        if source.signature != self._signature:
            raise DataError(
                f"the images in {self._config.path} changed during preparation, or differ between machines; "
                "make them the same, then run again"
            )
        return source

    def __call__(self, piece: int, device: torch.device) -> Record:
        self._source = self._source or self._open()
        return write_shard(self._source, self._config, self._plan, piece, self._folder)

    def finished(self, pieces: Sequence[int]) -> dict[int, Record | None]:
        found = {shard: read_record(self._plan, shard, self._folder) for shard in pieces}
        return {shard: record for shard, record in found.items() if record}

    def size(self, piece: int) -> int:
        """Images in a shard."""
        return min(self._plan.step, self._plan.images - piece * self._plan.step)
