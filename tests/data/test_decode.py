"""Geometry and colours of decoded images."""

import io

import numpy as np
import pytest
from PIL import Image

from preimage.data.decode import UNREADABLE, open_image, square


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_an_image_of_the_size_is_kept_bit_by_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 8, 3, None), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("shape", [(24, 8), (8, 24)])
def test_the_centre_of_the_long_side_is_kept(shape):
    pixels = np.zeros((*shape, 3), np.uint8)
    middle = tuple(slice((n - 8) // 2, (n + 8) // 2) for n in shape)
    pixels[middle] = 200
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 8, 3, None), np.full((3, 8, 8), 200))


def test_the_short_side_is_resized():
    pixels = np.zeros((16, 32), np.uint8)  # its centre square is columns 8 to 24
    pixels[:, 16:] = 240
    result = square(Image.fromarray(pixels), 8, 1, None)[0]
    assert (result[:, :3] < 10).all()
    assert (result[:, 5:] > 230).all()


def test_resizing_is_antialiased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    result = square(Image.fromarray(stripes), 8, 1, None)[0, :, 1:-1]
    assert np.abs(result.astype(int) - 127).max() <= 3


def test_crop_is_cut_from_the_original_before_resizing():
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[6:14, 11:19] = 90  # exactly the centre 8 x 8
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 8, 3, 8), np.full((3, 8, 8), 90))
    assert square(Image.fromarray(pixels), 16, 3, 8)[:, 4:12, 4:12].min() >= 88


def test_a_crop_larger_than_the_image_is_the_whole_short_side():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8))
    np.testing.assert_array_equal(square(image, 8, 3, 100), square(image, 8, 3, None))


def test_colour_to_grey_and_grey_to_colour():
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    assert (square(red, 8, 1, None) == 76).all()  # ITU-R 601
    assert (square(Image.new("L", (8, 8), 70), 8, 3, None) == 70).all()


def test_transparency_becomes_white():
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert (square(clear, 8, 3, None) == 255).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    opaque = open_image(encoded(palette, "PNG"))
    assert square(opaque, 8, 3, None)[:, 0, 0].tolist() == [10, 20, 30]
    assert (square(open_image(encoded(palette, "PNG", transparency=0)), 8, 3, None) == 255).all()


def test_16_bits_are_scaled_to_8():
    values = np.full((8, 8), 128 * 257, np.uint16)
    image = open_image(encoded(Image.fromarray(values), "PNG"))
    assert (square(image, 8, 1, None) == 128).all()


def test_cmyk_becomes_rgb():
    assert square(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), 8, 3, None)[:, 0, 0].tolist() == [255, 0, 0]


def test_floating_point_pixels_are_refused():
    with pytest.raises(ValueError, match="floating-point"):
        square(Image.new("F", (8, 8)), 8, 1, None)


def test_a_photograph_is_turned_as_its_camera_says():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = open_image(encoded(Image.fromarray(pixels), "PNG", exif=exif))
    np.testing.assert_array_equal(square(image, 8, 3, None), pixels[::-1].transpose(2, 0, 1))


def test_a_large_photograph_decoded_at_a_fraction_looks_the_same():
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    data = encoded(Image.fromarray(noise).resize((800, 600)), "JPEG", quality=95)
    slow = Image.open(io.BytesIO(data)).copy()  # a copy has no format, so it is resized in full
    fast = open_image(data)
    difference = np.abs(square(fast, 16, 3, None).astype(int) - square(slow, 16, 3, None))
    assert fast.size == (100, 75)  # decoded at 1/8
    assert difference.max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_a_cut_file_is_unreadable(kind):
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)), kind)
    square(open_image(data), 8, 3, None)
    with pytest.raises(UNREADABLE):
        square(open_image(data[: len(data) // 2]), 8, 3, None)
