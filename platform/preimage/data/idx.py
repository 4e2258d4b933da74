"""MNIST's file format, IDX: a big-endian header, then bytes (http://yann.lecun.com/exdb/mnist/)."""

import gzip
import math
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from preimage.errors import DataError

_PREFIXES = {"train": "train", "test": "t10k"}
_NAMES = {
    "images": ("images-idx3-ubyte", "images.idx3-ubyte"),
    "labels": ("labels-idx1-ubyte", "labels.idx1-ubyte"),
}
_DIMENSIONS = {"images": 3, "labels": 1}
CLASSES = {
    "mnist": [str(digit) for digit in range(10)],
    "fashion-mnist": [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ],
}  # fmt: skip


class IdxSource:
    """MNIST or Fashion-MNIST from a folder with their files, gzipped or not."""

    def __init__(self, name: str, folder: Path, split: str) -> None:
        """Raises DataError if a file of the split is missing."""
        self.classes = CLASSES[name]
        self._title = f"{name} {split}"
        self._images = _file(folder, split, "images")
        self._labels = _file(folder, split, "labels")

    @property
    def signature(self) -> str:
        marks = [_mark(path) for path in (self._images, self._labels)]
        return f"{self._title} {' '.join(marks)}"

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        images, labels = read_idx(self._images, 3), read_idx(self._labels, 1)
        if len(images) != len(labels):
            raise DataError(
                f"{self._images} has {len(images)} images and {self._labels.name} {len(labels)} labels"
            )
        if len(labels) and labels.max() >= len(self.classes):
            raise DataError(f"{self._labels} has label {labels.max()}; {self._title} has 0 to 9")
        return images, labels

    def __len__(self) -> int:
        return len(self._arrays[0])

    def read(self, index: int) -> tuple[Image.Image, int]:
        images, labels = self._arrays
        return Image.fromarray(images[index]), int(labels[index])

    def describe(self, index: int) -> str:
        return f"{self._title} image {index}"


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


def _mark(path: Path) -> str:
    """CRC-32 and length of the uncompressed bytes; a .gz ends with both."""
    with path.open("rb") as stream:
        if path.suffix != ".gz":
            data = stream.read()
            return f"{zlib.crc32(data):08x}-{len(data) & 0xFFFFFFFF}"
        stream.seek(max(0, path.stat().st_size - 8))
        trailer = np.frombuffer(stream.read().rjust(8, b"\0"), "<u4")
        return f"{trailer[0]:08x}-{trailer[1]}"
