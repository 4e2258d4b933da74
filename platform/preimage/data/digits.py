"""scikit-learn's handwritten digits: images that every machine has."""

from functools import cached_property

import numpy as np
from PIL import Image

from preimage.errors import DataError

COUNT = 1797


class DigitsSource:
    """1,797 grey images of 8 x 8, values 0 to 16 stretched to 0 to 255.

    Raises DataError for split=test: the set has none.
    """

    signature = "scikit-learn digits"

    def __init__(self, split: str) -> None:
        if split != "train":
            raise DataError("digits has no test split: use data.split=train, or source=mnist")
        self.classes = [str(digit) for digit in range(10)]

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        return np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), np.asarray(labels)

    def __len__(self) -> int:
        return COUNT  # importing scikit-learn to count them takes a second

    def read(self, index: int) -> tuple[Image.Image, int]:
        images, labels = self._arrays
        return Image.fromarray(images[index]), int(labels[index])

    def describe(self, index: int) -> str:
        return f"digits image {index}"
