"""LSUN's scenes from their LMDB files.

torchvision's own class is not used: it unpickles a file of keys from the working directory.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from preimage.data.decode import open_image
from preimage.data.official import LAYOUTS
from preimage.errors import DataError

CATEGORIES = (
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room",
    "dining_room", "kitchen", "living_room", "restaurant", "tower",
)  # fmt: skip


class LsunSource:
    """One category's images, in the order of their keys; split=test is LSUN's validation set."""

    def __init__(self, root: Path, category: str | None, split: str) -> None:
        """Raises DataError for an unknown category, or if its folder is missing."""
        if category not in CATEGORIES:
            raise DataError(
                f"lsun needs a category, got {category}: set data.category to one of {', '.join(CATEGORIES)}"
            )
        self.classes: list[str] = []
        self.signature = f"lsun/{split}/{category}"
        self._folder = root / f"{category}_{'train' if split == 'train' else 'val'}_lmdb"
        if not self._folder.is_dir():
            raise DataError(f"{self._folder} is missing. lsun is {LAYOUTS['lsun']}.")

    @cached_property
    def _database(self) -> Any:
        try:
            import lmdb  # pyright: ignore[reportMissingImports]  # optional
        except ImportError as error:
            raise DataError("lsun needs the package lmdb: pip install lmdb") from error
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

    def read(self, index: int) -> tuple[Image.Image, int]:
        with self._database.begin() as transaction:
            return open_image(transaction.get(self._keys[index])), -1

    def describe(self, index: int) -> str:
        return f"{self.signature} {self._keys[index].decode(errors='backslashreplace')}"
