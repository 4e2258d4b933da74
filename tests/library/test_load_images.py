"""Images in memory, by the names that a spec has for them; and pictures of them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import preimage
from preimage.data.pixels import to_float
from preimage.errors import DataError, PreimageError


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    where = str(tmp_path_factory.mktemp("results"))
    return preimage.load_images("digits", size=16, channels=1, max_images=30, results=where)


def test_they_are_those_of_a_job_with_the_same_data(loaded, digits):
    ids, pixels, labels = digits.read(0, 30)
    assert torch.equal(loaded.images, to_float(pixels))
    assert torch.equal(loaded.ids, ids)
    assert torch.equal(loaded.labels, labels)
    assert (len(loaded), len(loaded.names), loaded.classes[3]) == (30, 30, "3")


def test_they_are_found_by_their_ids_in_any_order(loaded):
    rows = [7, 2, 7]
    assert torch.equal(loaded.by_id(loaded.ids[rows]), loaded.images[rows])
    with pytest.raises(DataError, match="image 99999 is not among the 30 that were loaded"):
        loaded.by_id(torch.tensor([99999]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"source": "digitz"}, "digitz"), ({"source": "digits", "sise": 16}, "sise: no such key.*size")],
)
def test_wrong_settings_are_refused(settings, message, tmp_path):
    with pytest.raises(DataError, match=message):
        preimage.load_images(**settings, results=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_shows_each_row_with_white_where_it_ends(tmp_path):
    black = -torch.ones(3, 1, 8, 8)
    drawn = preimage.picture({"three": black, "one": black[:1]}, title="Black", captions=["a", "b", "c"])
    drawn.save(tmp_path / "black.png")
    with Image.open(tmp_path / "black.png") as picture:
        dark = torch.from_numpy(np.array(picture.convert("L"))) < 10
    by_column = dark.sum(0)
    left, right = by_column[: len(by_column) // 2].max(), by_column[-len(by_column) // 4 :].max()
    assert left > 1.8 * right > 0, "the first column has two images, the last one"
    assert Image.open(io.BytesIO(drawn._repr_png_())).format == "PNG"


@pytest.mark.parametrize("rows", [{}, {"a": torch.zeros(1, 1, 8, 8), "b": torch.zeros(1, 1, 4, 4)}])
def test_a_picture_of_several_shapes_or_of_none_is_refused(rows):
    with pytest.raises(PreimageError, match="a picture has rows of images"):
        preimage.picture(rows)
