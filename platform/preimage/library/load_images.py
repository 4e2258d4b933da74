"""Images as tensors, from any source that a spec can name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.image_shape import shape_text
from preimage.data.images_table import read_rows
from preimage.data.pixels import to_float
from preimage.data.preparing.prepare import prepare
from preimage.errors import DataError
from preimage.figures.grids import grid_png
from preimage.specs.validation import check
from preimage.storage.address import results_root
from preimage.storage.folder import Folder


@dataclass(frozen=True, eq=False)
class LoadedImages:
    """N images in memory; in a notebook, the first of them."""

    images: Tensor
    """(N, C, H, W) float32 in [-1, 1]."""
    labels: Tensor
    """(N,) int32; -1 without one."""
    ids: Tensor
    """(N,) int64: the image_ids that stores of their codes have."""
    names: list[str]
    """Of the files they were read from, or what else their source calls them."""
    classes: list[str]
    """The classes' names, by label; empty without classes."""

    @classmethod
    def of(cls, dataset: Dataset, max_images: int | None = None) -> "LoadedImages":
        """The first images of a prepared dataset, by default all."""
        ids, pixels, labels = dataset.read(0, min(len(dataset), max_images or len(dataset)))
        names = read_rows(dataset.folder, ids.tolist(), ("name",))["name"].to_pylist()
        return cls(_floats(pixels), labels, ids, names, dataset.classes)

    def by_id(self, ids: Tensor) -> Tensor:
        """The images (n, C, H, W) of some image_ids (n,), in that order, such as those of a store's codes.

        Raises DataError for one that was not loaded.
        """
        rows = {each: row for row, each in enumerate(self.ids.tolist())}
        if missing := [each for each in ids.tolist() if each not in rows]:
            raise DataError(f"the image {missing[0]} is not among the {len(self):,} that were loaded")
        return self.images[[rows[each] for each in ids.tolist()]]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<{len(self):,} images of {shape_text(self.images.shape[1:])}>"

    def _repr_png_(self) -> bytes:
        return grid_png(self.images[:64], 16)


def load_images(
    source: str, path: str | Path | None = None, *, results: str | None = None, **settings: Any
) -> LoadedImages:
    """Load images into memory, decoded and resized as a job with the same `data` sees them.

        photos = preimage.load_images("folder", "photos/", size=64, max_images=1000)

    source, path: `data.source` and `data.path` of a spec; `preimage data list` shows the sources. settings:
    the other keys of `data`, such as size=32, channels=1, split="test", max_images=100; the images come in a
    fixed shuffle, so the first ones are a fair sample. results: the root under which the prepared images are
    kept. Raises DataError for wrong settings, missing and unreadable images, and more than memory holds.
    """
    given = {"source": source, "path": None if path is None else str(path)} | settings
    config, mistakes = check(DataConfig, given)
    if not isinstance(config, DataConfig):
        raise DataError("; ".join(f"{'.'.join(map(str, place))}: {what}" for place, what in mistakes))
    return LoadedImages.of(prepare(config, Folder.at(results_root(results)) / "datasets", backend="local"))


def _floats(pixels: Tensor) -> Tensor:
    try:
        return to_float(pixels)
    except RuntimeError as error:
        raise DataError(f"{len(pixels):,} images do not fit in memory as floats: set max_images") from error
