"""The strip below a picture that says how it was made."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from preimage.figures.footer import _font, with_footer, without_footer, wrapped
from preimage.figures.grids import png_of
from preimage.figures.png_texts import TEXT

LINE = (
    "recover · DCGAN 16 px, width 8 · 1,000 of the paper's 100,000 steps · seed 0 · spec demo, profile small"
)


def picture(width, height, mode):
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, *channels), np.uint8)
    return Image.fromarray(pixels, mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("width", [20, 584, 2400])
def test_the_picture_above_the_footer_keeps_every_pixel(mode, width):
    before = picture(width, 50, mode)
    data = with_footer(png_of(before), LINE)
    assert data == with_footer(png_of(before), LINE)
    after = Image.open(io.BytesIO(data))
    assert after.width == width
    assert after.info[TEXT] == LINE
    kept = np.asarray(without_footer(after).convert(mode))
    assert (kept == np.asarray(before)).all()
    footer = np.asarray(after.convert("L"))[50:]
    assert footer.min() < 160
    assert footer[-1].min() == 255
    assert np.asarray(after.convert("RGBA"))[50:, :, 3].min() == 255


def test_a_long_text_takes_more_lines_and_none_begins_with_a_dot():
    heights = [
        Image.open(io.BytesIO(with_footer(png_of(picture(584, 50, "RGB")), LINE * n))).height
        for n in (1, 2, 4)
    ]
    assert heights == sorted(set(heights))
    lines = wrapped(LINE, _font(12), 200)
    assert len(lines) > 2
    assert not [line for line in lines if line.startswith("·")]


@settings(max_examples=30)
@given(st.text("abc ·,", max_size=60), st.integers(12, 300))
def test_lines_fit_their_width_and_hold_every_letter(text, width):
    font = _font(12)
    lines = wrapped(text, font, width)
    assert all(font.getlength(line) <= width or len(line) == 1 for line in lines)
    assert [each for line in lines for each in line if not each.isspace()] == [
        each for each in text if not each.isspace()
    ]


def test_a_picture_without_a_footer_is_left_alone():
    plain = picture(30, 20, "RGB")
    assert without_footer(plain).size == (30, 20)
