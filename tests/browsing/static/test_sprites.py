"""Sprite sheets: every cell is its point's image and reconstruction."""

import io
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from preimage.browsing.static import sprites
from preimage.browsing.static.sprites import sprites_of
from preimage.browsing.thumbnails import side_by_side


def cell(found, row, columns):
    """A point's cell (h, w), as it is on its sheet."""
    place = int(found.places[row])
    sheet = found.sheets[place // (columns * columns)]
    pixels = np.asarray(Image.open(io.BytesIO(b64decode(sheet.partition("base64,")[2]))))
    at = place % (columns * columns)
    top, left = at // columns * found.height, at % columns * found.width
    return pixels[top : top + found.height, left : left + found.width]


@pytest.fixture
def small_sheets(monkeypatch):
    for name in ("COLUMNS", "ROWS"):
        monkeypatch.setattr(sprites, name, 4)


def test_every_point_has_its_own_pictures(subject, small_sheets):
    ids = subject.rows.ids
    order = np.random.default_rng(0).permutation(len(ids))
    found = sprites_of(subject, ids, order)
    assert found.shown == ("image", "reconstruction")
    assert sorted(found.places.tolist()) == list(range(len(ids)))
    assert not found.note
    images, made = subject.pixels.images(ids), subject.reconstructions(ids)
    for row in (0, 7, len(ids) - 1):
        assert np.array_equal(cell(found, row, 4), side_by_side([images[row], made[row]])[..., 0])


def test_a_budget_leaves_the_last_without_and_says_so(subject, small_sheets):
    ids = subject.rows.ids
    found = sprites_of(subject, ids, np.arange(len(ids)), budget=1)
    assert (found.places >= 0).tolist() == [True] * 16 + [False] * (len(ids) - 16)
    assert len(found.sheets) == 1
    assert f"16 of the {len(ids)} points have thumbnails" in found.note


def test_without_images_or_generator_there_are_the_others_or_none(subject):
    ids, order = subject.rows.ids, np.arange(subject.count)
    assert sprites_of(replace(subject, pixels=None), ids, order).shown == ("reconstruction",)
    assert sprites_of(replace(subject, generator=None), ids, order).shown == ("image",)
    nothing = sprites_of(replace(subject, pixels=None, generator=None), ids, order)
    assert (nothing.shown, nothing.sheets, set(nothing.places.tolist())) == ((), (), {-1})
