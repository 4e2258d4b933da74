"""LSUN's scenes from their LMDB files.

torchvision's own class is not used: it unpickles a file of keys from the working directory.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from preimage.data.config import DataConfig
from preimage.data.sources.base import NO_COLUMNS, Contents, Row, Signature
from preimage.data.sources.file_state import signed_paths
from preimage.data.sources.listing import holds_images
from preimage.data.sources.named_set import NamedSet
from preimage.data.sources.splits import choose_split
from preimage.errors import DataError
from preimage.extras import require

CATEGORIES = (
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room",
    "dining_room", "kitchen", "living_room", "restaurant", "tower",
)  # fmt: skip
_LAYOUT = (
    "a folder such as bedroom_train_lmdb/ (and bedroom_val_lmdb/ for split=test), unpacked from "
    "http://dl.yf.io/lsun/scenes/"
)
_SPLITS = {"train": "train", "validation": "val", "test": "val"}


class LsunSource:
    """One category's images, in the order of their keys. LSUN publishes no test images: split=validation is
    its validation set, and split=test means that too."""

    columns = NO_COLUMNS
    contents = Contents()

    def __init__(self, root: Path, category: str | None, split: str) -> None:
        """Raises DataError for an unknown category or split, or if its folder is missing."""
        if category not in CATEGORIES:
            raise DataError(
                f"lsun needs a category, got {category}: set data.category to one of {', '.join(CATEGORIES)}"
            )
        self.classes: list[str] = []
        self._folder = root / _folder(category, split)
        self._name = f"lsun/{split}/{category}"
        if not self._folder.is_dir():
            raise DataError(f"{self._folder} is missing. lsun is {_LAYOUT}.")

    @property
    def signature(self) -> Signature:
        return self._signature

    @cached_property
    def _signature(self) -> Signature:
        return signed_paths(self._folder, (self._folder / "data.mdb",), self._name)

    @cached_property
    def _database(self) -> Any:
        require("source=lsun", "lmdb", kind=DataError)
        import lmdb  # pyright: ignore[reportMissingImports]  # optional

        try:
            return lmdb.open(str(self._folder), readonly=True, lock=False, readahead=False, meminit=False)
        except lmdb.Error as error:
            raise DataError(f"{self._folder} is not a readable LMDB: {error}") from error

    @cached_property
    def _keys(self) -> list[bytes]:
        with self._database.begin() as transaction:
            return list(transaction.cursor().iternext(keys=True, values=False))

    def __len__(self) -> int:
        return len(self._keys)

    def row(self, index: int) -> Row:
        return Row(self._keys[index].decode(errors="backslashreplace"))

    def load(self, index: int) -> bytes:
        with self._database.begin() as transaction:
            return transaction.get(self._keys[index])

    def state(self, indices: np.ndarray) -> str:
        return self.signature.state


def _folder(category: str, split: str) -> str:
    """The name of the LMDB of a category. Raises DataError for an unknown split."""
    return f"{category}_{_SPLITS[choose_split(_SPLITS, split, 'lsun')]}_lmdb"


def _installed(root: Path, config: DataConfig) -> Path | None:
    return root if any(root.glob(_folder(config.category or "*", config.split))) else None


LSUN = NamedSet(
    "lsun",
    _LAYOUT,
    lambda path, config: None if holds_images(path) else path,
    lambda root, config: LsunSource(root, config.category, config.split),
    installed=_installed,
    keys=" data.category=bedroom",
).kind(
    "scenes of one category (bedroom: 3,033,042 + 300), colour, short side 256, no classes; files downloaded "
    "by hand, needs the package lmdb",
    test_is_validation=True,
    classes=False,
    categories=True,
)
