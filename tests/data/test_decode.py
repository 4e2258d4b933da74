"""Geometry and colours of decoded images."""

import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from preimage.data.decode import MODES, UNREADABLE, open_image, to_pixels


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_an_image_of_the_size_is_kept_bit_by_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    found = to_pixels(Image.fromarray(pixels), (3, 8, 8), None)
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("shape", [(24, 8), (8, 24)])
def test_the_centre_of_the_long_side_is_kept(shape):
    pixels = np.zeros((*shape, 3), np.uint8)
    middle = tuple(slice((n - 8) // 2, (n + 8) // 2) for n in shape)
    pixels[middle] = 200
    found = to_pixels(Image.fromarray(pixels), (3, 8, 8), None)
    np.testing.assert_array_equal(found, np.full((3, 8, 8), 200))


def test_the_short_side_is_resized():
    pixels = np.zeros((16, 32), np.uint8)  # its centre square is columns 8 to 24
    pixels[:, 16:] = 240
    result = to_pixels(Image.fromarray(pixels), (1, 8, 8), None)[0]
    assert (result[:, :3] < 10).all()
    assert (result[:, 5:] > 230).all()


def test_resizing_is_antialiased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    result = to_pixels(Image.fromarray(stripes), (1, 8, 8), None)[0, :, 1:-1]
    assert np.abs(result.astype(int) - 127).max() <= 3


@settings(max_examples=60)
@given(
    target=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    original=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    channels=st.sampled_from(sorted(MODES)),
)
def test_an_image_covers_any_size_as_pillow_says(target, original, channels):
    """Its opacity too, which weights the colours that are averaged."""
    scale = max(side / of for side, of in zip(target, original, strict=True))
    assume(scale != 1)  # such an image is cut to whole pixels
    image = random_image(original, channels)
    fitted = ImageOps.fit(image, target[::-1], Image.Resampling.BICUBIC)
    found = to_pixels(image, (channels, *target), None)
    expected = np.asarray(fitted).reshape(*target, channels).transpose(2, 0, 1)
    assert np.abs(found.astype(int) - expected).max() <= 1  # the box differs by rounding


def test_a_crop_is_a_centre_square_of_images_that_are_not():
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[8:16, 12:28] = 90  # the centre 8 x 16
    for crop, height, width in ((8, 8, 16), (8, 16, 8), (16, 8, 16)):
        assert (to_pixels(Image.fromarray(pixels), (3, height, width), crop)[:, 2:-2, 2:-2] >= 85).all()
    assert to_pixels(Image.fromarray(pixels), (3, 16, 8), 16).min() == 0


def random_image(size, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, channels), np.uint8)
    return Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)


def test_crop_is_cut_from_the_original_before_resizing():
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[6:14, 11:19] = 90  # exactly the centre 8 x 8
    np.testing.assert_array_equal(to_pixels(Image.fromarray(pixels), (3, 8, 8), 8), np.full((3, 8, 8), 90))
    assert to_pixels(Image.fromarray(pixels), (3, 16, 16), 8)[:, 4:12, 4:12].min() >= 88


def test_a_crop_larger_than_the_image_is_the_whole_short_side():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8))
    np.testing.assert_array_equal(to_pixels(image, (3, 8, 8), 100), to_pixels(image, (3, 8, 8), None))


def test_colour_to_grey_and_grey_to_colour():
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    assert (to_pixels(red, (1, 8, 8), None) == 76).all()  # ITU-R 601
    assert (to_pixels(Image.new("L", (8, 8), 70), (3, 8, 8), None) == 70).all()


def test_transparency_becomes_white():
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert (to_pixels(clear, (3, 8, 8), None) == 255).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    opaque = open_image(encoded(palette, "PNG"))
    assert to_pixels(opaque, (3, 8, 8), None)[:, 0, 0].tolist() == [10, 20, 30]
    assert (to_pixels(open_image(encoded(palette, "PNG", transparency=0)), (3, 8, 8), None) == 255).all()


def test_four_channels_keep_the_opacity():
    half = Image.new("RGBA", (8, 8), (10, 20, 30, 128))
    assert to_pixels(half, (4, 8, 8), None)[:, 0, 0].tolist() == [10, 20, 30, 128]
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    clear = open_image(encoded(palette, "PNG", transparency=0))
    assert to_pixels(clear, (4, 8, 8), None)[:, 0, 0].tolist() == [10, 20, 30, 0]
    for mode, colour in (("RGB", (9, 9, 9)), ("L", 9), ("CMYK", (0, 0, 0, 246))):
        opaque = Image.new(mode, (8, 8), colour)
        assert to_pixels(opaque, (4, 8, 8), None)[:, 0, 0].tolist() == [9, 9, 9, 255]


def test_16_bits_are_scaled_to_8():
    values = np.full((8, 8), 128 * 257, np.uint16)
    image = open_image(encoded(Image.fromarray(values), "PNG"))
    assert (to_pixels(image, (1, 8, 8), None) == 128).all()


def test_cmyk_becomes_rgb():
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert to_pixels(cmyk, (3, 8, 8), None)[:, 0, 0].tolist() == [255, 0, 0]


def test_floating_point_pixels_are_refused():
    with pytest.raises(ValueError, match="floating-point"):
        to_pixels(Image.new("F", (8, 8)), (1, 8, 8), None)


def test_a_photograph_is_turned_as_its_camera_says():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = open_image(encoded(Image.fromarray(pixels), "PNG", exif=exif))
    np.testing.assert_array_equal(to_pixels(image, (3, 8, 8), None), pixels[::-1].transpose(2, 0, 1))


def test_a_large_photograph_decoded_at_a_fraction_looks_the_same():
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    data = encoded(Image.fromarray(noise).resize((800, 600)), "JPEG", quality=95)
    slow = Image.open(io.BytesIO(data)).copy()  # a copy has no format, so it is resized in full
    fast = open_image(data)
    difference = np.abs(to_pixels(fast, (3, 16, 16), None).astype(int) - to_pixels(slow, (3, 16, 16), None))
    assert fast.size == (100, 75)  # decoded at 1/8
    assert difference.max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_a_cut_file_is_unreadable(kind):
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)), kind)
    to_pixels(open_image(data), (3, 8, 8), None)
    with pytest.raises(UNREADABLE):
        to_pixels(open_image(data[: len(data) // 2]), (3, 8, 8), None)
