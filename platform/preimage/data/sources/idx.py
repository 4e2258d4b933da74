"""MNIST's file format, IDX: a big-endian header, then bytes (http://yann.lecun.com/exdb/mnist/)."""

import gzip
import math
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from preimage.data.config import DataConfig
from preimage.data.sources.base import NO_COLUMNS, Contents, Row, Signature
from preimage.data.sources.file_state import signed_paths
from preimage.data.sources.labels import count_labels
from preimage.data.sources.named_set import NamedSet
from preimage.data.sources.splits import choose_split
from preimage.errors import DataError

_PREFIXES = {"train": "train", "test": "t10k"}
_NAMES = {
    "images": ("images-idx3-ubyte", "images.idx3-ubyte"),
    "labels": ("labels-idx1-ubyte", "labels.idx1-ubyte"),
}
_DIGITS = tuple(map(str, range(10)))
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_LAYOUT = (
    "the files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, with .gz or without"
)
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


class IdxSource:
    """MNIST or Fashion-MNIST from a folder with their files, gzipped or not."""

    columns = NO_COLUMNS

    def __init__(self, name: str, classes: Sequence[str], folder: Path, split: str) -> None:
        """Raises DataError for a split that is neither train nor test, and if a file of it is missing."""
        split = choose_split(_PREFIXES, split, name)
        self.classes = list(classes)
        self._name, self._split, self._folder = name, split, folder
        self._images = _file(folder, split, "images")
        self._labels = _file(folder, split, "labels")

    @property
    def signature(self) -> Signature:
        return self._signature

    @cached_property
    def _signature(self) -> Signature:
        return signed_paths(self._folder, (self._images, self._labels), self._name, self._split)

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        images, labels = read_idx(self._images, 3), self._read_labels
        if len(images) != len(labels):
            raise DataError(
                f"{self._images} has {len(images)} images and {self._labels.name} {len(labels)} labels"
            )
        return images, labels

    @cached_property
    def _read_labels(self) -> np.ndarray:
        labels = read_idx(self._labels, 1)
        if len(labels) and labels.max() >= len(self.classes):
            raise DataError(f"{self._labels} has label {labels.max()}; {self._name} has 0 to 9")
        return labels

    @property
    def contents(self) -> Contents:
        return Contents(class_counts=count_labels(self._read_labels, self.classes))

    def __len__(self) -> int:
        return len(self._arrays[0])

    def row(self, index: int) -> Row:
        return Row(f"{self._split}/{index}", int(self._arrays[1][index]))

    def load(self, index: int) -> np.ndarray:
        return self._arrays[0][index]

    def state(self, indices: np.ndarray) -> str:
        return self.signature.state


def holds_idx(folder: Path) -> bool:
    """Whether a folder has any of the four files."""
    return any(_find(folder, split, kind) for split in _PREFIXES for kind in _NAMES)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an array of uint8 with this many dimensions.

    Raises DataError if the file is of another kind, truncated or too long.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            start = stream.read(4 + 4 * dimensions)
            header = np.frombuffer(start, ">u4", len(start) // 4)
            if len(header) != 1 + dimensions or header[0] != 0x800 + dimensions:
                raise DataError(f"{path} is not an IDX file of uint8 in {dimensions} dimensions")
            shape = tuple(int(length) for length in header[1:])
            data = stream.read(
                min(math.prod(shape), 1 << 30) + 1
            )  # one byte more, to notice a file that is too long
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); copy or download it again") from error
    if len(data) != math.prod(shape):
        raise DataError(
            f"{path} should hold {math.prod(shape):,} bytes for shape {shape}; it is truncated or too long"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _file(folder: Path, split: str, kind: str) -> Path:
    path = _find(folder, split, kind)
    if path is None:
        raise DataError(f"{folder} lacks {_PREFIXES[split]}-{_NAMES[kind][0]} (or the same file with .gz)")
    return path


def _find(folder: Path, split: str, kind: str) -> Path | None:
    """The file of a kind; of two, the .gz, since it carries a checksum."""
    names = [f"{_PREFIXES[split]}-{name}{suffix}" for suffix in (".gz", "") for name in _NAMES[kind]]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _own(path: Path, within: str) -> Path | None:
    return next((folder for folder in (path, path / within) if holds_idx(folder)), None)


def _debians_or_own(root: Path, config: DataConfig) -> Path | None:
    return DEBIAN_FASHION if holds_idx(DEBIAN_FASHION) else _own(root, "FashionMNIST/raw")


def _mnist(root: Path) -> None:
    from torchvision import datasets  # takes seconds

    datasets.MNIST(root, download=True)


def _fashion_mnist(root: Path) -> None:
    from torchvision import datasets

    datasets.FashionMNIST(root, download=True)


MNIST = NamedSet(
    "mnist",
    _LAYOUT,
    lambda path, config: _own(path, "MNIST/raw"),
    lambda folder, config: IdxSource("mnist", _DIGITS, folder, config.split),
    _mnist,
).kind("60,000 + 10,000 handwritten digits, 28 x 28 grey, 10 classes; downloaded")
FASHION_MNIST = NamedSet(
    "fashion-mnist",
    _LAYOUT,
    lambda path, config: _own(path, "FashionMNIST/raw"),
    lambda folder, config: IdxSource("fashion-mnist", _CLOTHES, folder, config.split),
    _fashion_mnist,
    installed=_debians_or_own,
    hint="On Debian or Ubuntu: apt install dataset-fashion-mnist. Or: ",
).kind(
    "60,000 + 10,000 pieces of clothing, 28 x 28 grey, 10 classes; downloaded, or Debian's package "
    "dataset-fashion-mnist"
)
