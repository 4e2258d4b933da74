"""scikit-learn's handwritten digits: images that every machine has."""

from functools import cached_property

import numpy as np

from preimage.data.sources.base import NO_COLUMNS, Contents, Row, Signature
from preimage.data.sources.splits import choose_split

COUNT = 1797


class DigitsSource:
    """1,797 grey images of 8 x 8, values 0 to 16 stretched to 0 to 255.

    Raises DataError for another split than train: the set has none.
    """

    signature = Signature("scikit-learn digits", "scikit-learn digits")
    columns = NO_COLUMNS

    def __init__(self, split: str) -> None:
        choose_split(["train"], split, "digits, unlike source=mnist,")
        self.classes = [str(digit) for digit in range(10)]

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        return np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), np.asarray(labels)

    @property
    def contents(self) -> Contents:
        return Contents(class_counts=(178, 182, 177, 183, 181, 182, 181, 179, 174, 180))

    def __len__(self) -> int:
        return COUNT  # importing scikit-learn to count them takes a second

    def row(self, index: int) -> Row:
        return Row(f"train/{index}", int(self._arrays[1][index]))

    def load(self, index: int) -> np.ndarray:
        return self._arrays[0][index]

    def state(self, indices: np.ndarray) -> str:
        return self.signature.state
