"""Named datasets as torchvision reads and verifies them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from preimage.data.config import DataConfig
from preimage.data.sources.base import NO_COLUMNS, AnySource, Content, Contents, Row, Signature
from preimage.data.sources.file_state import signed_paths
from preimage.data.sources.labels import count_labels
from preimage.data.sources.named_set import NamedSet
from preimage.data.sources.splits import choose_split
from preimage.errors import DataError
from preimage.extras import require


@dataclass(frozen=True)
class Official:
    """A dataset as torchvision knows it."""

    name: str
    layout: str
    """What its own files are."""
    markers: tuple[str, ...]
    """Files or folders of which one is there if the dataset is."""
    splits: dict[str, str]
    """What torchvision calls each split."""
    read: Callable[[Path, str], Any]
    """Torchvision's dataset, of a folder and its name of a split."""
    folder: str = ""
    """The folder of a set whose images are in a few large files; without, torchvision lists image files."""
    labels: str = "targets"
    """Where torchvision's dataset has them."""
    channels_first: bool = False

    def root(self, path: Path, config: DataConfig) -> Path | None:
        """The folder that torchvision calls root, from its path or that of the dataset's own folder in it."""
        for marker in self.markers:
            root = path.parent if path.name == marker else path
            if (root / marker).exists():
                return root
        return None

    def open(self, root: Path, config: DataConfig) -> AnySource:
        return OfficialSource(self, root, config.split)

    def named(self, download: Callable[[Path], Any] | None = None) -> NamedSet:
        return NamedSet(self.name, self.layout, self.root, self.open, download)


class OfficialSource:
    """CIFAR-10, STL-10 or ImageNet, opened by torchvision on the first read.

    CIFAR-10's files are pickles: torchvision loads each only after its MD5 check.
    """

    columns = NO_COLUMNS

    def __init__(self, official: Official, root: Path, split: str) -> None:
        """Raises DataError for a split that the set does not have."""
        self._official, self._root = official, root
        self._split = official.splits[choose_split(official.splits, split, official.name)]

    @cached_property
    def _set(self) -> Any:
        try:
            return self._official.read(self._root, self._split)
        except (OSError, RuntimeError, ValueError, IndexError, ImportError) as error:
            raise DataError(
                f"cannot open {self._official.name} in {self._root}: files are missing or are not the "
                f"official ones ({error}). Expected: {self._official.layout}."
            ) from error

    @property
    def classes(self) -> list[str]:
        names = getattr(self._set, "classes", [])
        return [name if isinstance(name, str) else ", ".join(name) for name in names]

    @property
    def contents(self) -> Contents:
        if self._split == "unlabeled":
            return Contents()
        return Contents(class_counts=count_labels(np.asarray(self._labels), self.classes))

    @property
    def signature(self) -> Signature:
        return self._signature

    @cached_property
    def _signature(self) -> Signature:
        if folder := self._official.folder:
            paths = sorted(path for path in (self._root / folder).iterdir() if path.is_file())
        else:
            paths = [self._path(index) for index in range(len(self))]
        return signed_paths(self._root, filter(None, paths), self._official.name, self._split)

    def __len__(self) -> int:
        return len(self._set)

    def row(self, index: int) -> Row:
        path = self._path(index)
        name = f"{self._split}/{index}" if path is None else str(path.relative_to(self._root))
        return Row(name, int(self._labels[index]))

    def load(self, index: int) -> Content:
        path = self._path(index)
        if path is not None:
            return path.read_bytes()
        pixels = self._set.data[index]
        return pixels.transpose(1, 2, 0) if self._official.channels_first else pixels

    def state(self, indices: np.ndarray) -> str:
        if self._official.folder:
            return self.signature.state
        return signed_paths(self._root, filter(None, map(self._path, indices.tolist()))).state

    @property
    def _labels(self) -> Any:
        return getattr(self._set, self._official.labels)

    def _path(self, index: int) -> Path | None:
        return None if self._official.folder else Path(self._set.samples[index][0])


def _datasets() -> Any:
    require("this dataset's own files", "torchvision", kind=DataError)
    from torchvision import datasets  # takes seconds

    return datasets


_CIFAR10 = Official(
    "cifar10",
    "cifar-10-batches-py/, unpacked from https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ("cifar-10-batches-py",),
    {"train": "train", "test": "test"},
    lambda root, split: _datasets().CIFAR10(root, train=split == "train"),
    "cifar-10-batches-py",
)
_STL10 = Official(
    "stl10",
    "stl10_binary/, unpacked from http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    ("stl10_binary",),
    {"train": "train", "test": "test", "unlabeled": "unlabeled"},
    lambda root, split: _datasets().STL10(root, split=split),
    "stl10_binary",
    labels="labels",
    channels_first=True,
)
_IMAGENET = Official(
    "imagenet",
    "ILSVRC2012_devkit_t12.tar.gz with ILSVRC2012_img_train.tar (and ILSVRC2012_img_val.tar for split=test), "
    "from https://image-net.org/download",
    ("meta.bin", "ILSVRC2012_devkit_t12.tar.gz"),
    {"train": "train", "validation": "val", "test": "val"},  # its test images have no public labels
    lambda root, split: _datasets().ImageNet(root, split=split),
)
OFFICIAL = (_CIFAR10, _STL10, _IMAGENET)
CIFAR10 = _CIFAR10.named(lambda root: _datasets().CIFAR10(root, download=True)).kind(
    "50,000 + 10,000 photographs, 32 x 32 colour, 10 classes; downloaded, or a .zip of images"
)
STL10 = _STL10.named(lambda root: _datasets().STL10(root, download=True)).kind(
    "5,000 + 8,000 photographs, 96 x 96 colour, 10 classes, and 100,000 with split=unlabeled; downloaded "
    "(2.6 GB)",
    unlabeled=True,
)
IMAGENET = _IMAGENET.named().kind(
    "1,281,167 + 50,000 photographs, colour, many sizes, 1,000 classes; files downloaded by hand",
    test_is_validation=True,
)
