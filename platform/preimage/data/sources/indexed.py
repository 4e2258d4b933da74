"""The simplest source to write: images by number, as arrays or encoded files."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from preimage.data.config import DataConfig
from preimage.data.sources.base import NO_COLUMNS, Content, Contents, Row, Signature
from preimage.storage.folder import canonical_json, digest


class IndexedSource:
    """A MapSource whose images its settings decide: what is left to write is `__len__` and `load`.

    A source that reads files has a `signature` of its own, which changes with them
    (`preimage.data.sources.file_state.signed_paths`).
    """

    classes: list[str] = []  # noqa: RUF012
    """Class names by label; empty if there are none."""
    columns: pa.Schema = NO_COLUMNS
    """Further columns of images.parquet, whose values `values` gives."""

    def __init__(self, config: DataConfig) -> None:
        self.config = config
        self.options: Any = config.options
        """The source's own settings, of the model that its SourceKind names."""

    def __len__(self) -> int:
        """How many images the split has."""
        raise NotImplementedError

    def load(self, index: int) -> Content:
        """An image: an encoded file, or an array (H, W) or (H, W, C) of uint8 or uint16. The same every time
        and in every process. What it raises counts as an image that cannot be read."""
        raise NotImplementedError

    def label(self, index: int) -> int:
        """An index into `classes`; -1 for none."""
        return -1

    def values(self, index: int) -> Mapping[str, Any]:
        """What `columns` holds of an image."""
        return {}

    def row(self, index: int) -> Row:
        return Row(f"{self.config.split}/{index}", self.label(index), self.values(index))

    @property
    def contents(self) -> Contents:
        return Contents()

    @property
    def signature(self) -> Signature:
        return self._signature

    @cached_property
    def _signature(self) -> Signature:
        which = self.config.model_dump(mode="json", include={"source", "split", "path", "options"})
        made_from = canonical_json([which, len(self), self.classes])
        return Signature(*[digest(made_from.encode())] * 2)

    def state(self, indices: np.ndarray) -> str:
        return self.signature.state
