"""Named datasets as torchvision reads and verifies them, and their download."""

import contextlib
import http.client
import io
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from preimage.data.sources.base import NO_COLUMNS, Content, Contents, Row, Signature
from preimage.data.sources.celeba import LAYOUT
from preimage.data.sources.file_state import signed_paths
from preimage.data.sources.labels import count_labels
from preimage.data.sources.splits import choose_split
from preimage.errors import DataError

DOWNLOAD_TIMEOUT = 15.0
"""Seconds to wait for a server's answer."""

_IDX = (
    "the files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, with .gz or without"
)
LAYOUTS = {
    "mnist": _IDX,
    "fashion-mnist": _IDX,
    "cifar10": "cifar-10-batches-py/, unpacked from https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "stl10": "stl10_binary/, unpacked from http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    "celeba": LAYOUT,
    "lsun": "a folder such as bedroom_train_lmdb/ (and bedroom_val_lmdb/ for split=test), unpacked from "
    "http://dl.yf.io/lsun/scenes/",
    "imagenet": "ILSVRC2012_devkit_t12.tar.gz with ILSVRC2012_img_train.tar (and ILSVRC2012_img_val.tar for "
    "split=test), from https://image-net.org/download",
}
_MARKERS = {
    "cifar10": ("cifar-10-batches-py",),
    "stl10": ("stl10_binary",),
    "imagenet": ("meta.bin", "ILSVRC2012_devkit_t12.tar.gz"),
}
_FILES = {"cifar10": "cifar-10-batches-py", "stl10": "stl10_binary"}
"""The folder of a set whose images are in a few large files."""
_SPLITS = {
    "cifar10": {"train": "train", "test": "test"},
    "stl10": {"train": "train", "test": "test", "unlabeled": "unlabeled"},
    "imagenet": {"train": "train", "validation": "val", "test": "val"},
}
"""What torchvision calls each split. ImageNet's test images have no public labels: test is its validation."""


class OfficialSource:
    """CIFAR-10, STL-10 or ImageNet, opened by torchvision on the first read.

    CIFAR-10's files are pickles: torchvision loads each only after its MD5 check.
    """

    columns = NO_COLUMNS

    def __init__(self, name: str, root: Path, split: str) -> None:
        """Raises DataError for a split that the set does not have."""
        self._name, self._root = name, root
        self._split = _SPLITS[name][choose_split(_SPLITS[name], split, name)]

    @cached_property
    def _set(self) -> Any:
        try:
            return _opener(self._name, self._split)(self._root)
        except (OSError, RuntimeError, ValueError, IndexError, ImportError) as error:
            raise DataError(
                f"cannot open {self._name} in {self._root}: files are missing or are not the official ones "
                f"({error}). Expected: {LAYOUTS[self._name]}."
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
        if self._name in _FILES:
            paths = sorted(path for path in (self._root / _FILES[self._name]).iterdir() if path.is_file())
        else:
            paths = [self._path(index) for index in range(len(self))]
        return signed_paths(self._root, filter(None, paths), self._name, self._split)

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
        return pixels.transpose(1, 2, 0) if self._name == "stl10" else pixels

    def state(self, indices: np.ndarray) -> str:
        if self._name in _FILES:
            return self.signature.state
        return signed_paths(self._root, filter(None, map(self._path, indices.tolist()))).state

    @property
    def _labels(self) -> Any:
        return self._set.labels if self._name == "stl10" else self._set.targets

    def _path(self, index: int) -> Path | None:
        return Path(self._set.samples[index][0]) if self._name == "imagenet" else None


def official_root(name: str, path: Path) -> Path | None:
    """The folder that torchvision calls root, from its path or that of the dataset's own folder in it."""
    for marker in _MARKERS.get(name, ()):
        own, _, _ = marker.partition("/")
        root = path.parent if path.name == own else path
        if (root / marker).exists():
            return root
    return None


def cache() -> Path:
    """Where downloads go: $PREIMAGE_CACHE, or ~/.cache/preimage."""
    return Path(os.environ.get("PREIMAGE_CACHE") or "~/.cache/preimage").expanduser().absolute()


def download(name: str) -> Path:
    """Download a dataset into the cache, whole or not at all, and return its folder.

    Raises DataError if that fails, or if the dataset must be downloaded by hand.
    """
    if name not in ("mnist", "fashion-mnist", "cifar10", "stl10"):
        raise DataError(f"{name} must be downloaded by hand.\n{_remedy(name)}")
    unfinished = cache() / f".{name}-{uuid4().hex}"
    try:
        unfinished.mkdir(parents=True)
        with _quietly():
            _downloader(name)(unfinished)
        if not (cache() / name).exists():  # another process may have been first
            unfinished.rename(cache() / name)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{name} is not on this machine and its download failed ({reason}).\n{_remedy(name)}"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return cache() / name


def _remedy(name: str) -> str:
    debian = "On Debian or Ubuntu: apt install dataset-fashion-mnist. Or: " if name == "fashion-mnist" else ""
    category = " data.category=bedroom" if name == "lsun" else ""
    images = "" if name in ("mnist", "fashion-mnist") else "; or a tree or .zip of its images"
    return (
        f"{debian}In a folder, put {LAYOUTS[name]}{images}. Then run:\n"
        f"  preimage data prepare {name}{category} data.path=FOLDER"
    )


def _opener(name: str, split: str) -> Callable[[Path], Any]:
    from torchvision import datasets

    return {
        "cifar10": lambda root: datasets.CIFAR10(root, train=split == "train"),
        "stl10": lambda root: datasets.STL10(root, split=split),
        "imagenet": lambda root: datasets.ImageNet(root, split=split),
    }[name]


def _downloader(name: str) -> Callable[[Path], Any]:
    from torchvision import datasets

    return {
        "mnist": lambda root: datasets.MNIST(root, download=True),
        "fashion-mnist": lambda root: datasets.FashionMNIST(root, download=True),
        "cifar10": lambda root: datasets.CIFAR10(root, download=True),
        "stl10": lambda root: datasets.STL10(root, download=True),
    }[name]


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence torchvision's progress bars, and limit the wait for a server."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)
