"""Small pictures."""

import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from preimage.browsing.thumbnails import Thumbnails, data_uri, png, shrunk, side_by_side


def images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_the_image(channels):
    image = images(5, 7, channels)
    found = np.asarray(Image.open(io.BytesIO(png(image))))
    assert np.array_equal(found.reshape(image.shape), image)
    assert b64decode(data_uri(image).removeprefix("data:image/png;base64,")) == png(image)


@pytest.mark.parametrize(
    ("shape", "side", "size"), [((20, 10), 10, (10, 5)), ((8, 8), 10, (8, 8)), ((64, 2), 8, (8, 1))]
)
def test_large_images_are_averaged_down_and_small_ones_stay(shape, side, size):
    given = images(3, *shape, 3)
    found = shrunk(given, side)
    assert found.shape == (3, *size, 3)
    assert np.abs(found.mean((1, 2)) - given.mean((1, 2))).max() < 1


def test_side_by_side_with_a_line_between():
    one, two = np.zeros((2, 3, 1), np.uint8), np.full((2, 3, 1), 9, np.uint8)
    assert side_by_side([one, two])[0, :, 0].tolist() == [0, 0, 0, 255, 9, 9, 9]


def test_addresses_hold_originals_and_reconstructions(subject):
    ids = subject.rows.ids[:3]
    found = Thumbnails(subject).addresses(ids)
    assert [each[0] for each in found] == list(map(data_uri, subject.pixels.images(ids)))
    assert [each[1] for each in found] == list(map(data_uri, subject.reconstructions(ids)))
