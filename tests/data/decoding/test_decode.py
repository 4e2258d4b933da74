"""Geometry and colours of decoded images."""

import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torch import from_numpy
from torchvision.transforms.v2 import functional as reference

from preimage.data.config import DataConfig
from preimage.data.decoding.decode import MODES, UNREADABLE, open_image, to_image, to_pixels


def config(channels=3, size=8, **keys):
    return DataConfig(source="folder", path="images", channels=channels, size=size, **keys)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def random_array(height, width, channels, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


@pytest.mark.parametrize("channels", sorted(MODES))
def test_an_image_of_the_size_is_kept_bit_by_bit(channels):
    pixels = random_array(8, 12, channels)
    expected = pixels.reshape(8, 12, channels).transpose(2, 0, 1)
    for content in (pixels, encoded(Image.fromarray(pixels))):
        np.testing.assert_array_equal(to_pixels(content, config(channels, (8, 12))), expected)


@pytest.mark.parametrize("shape", [(24, 8), (8, 24)])
def test_the_centre_of_the_long_side_is_kept(shape):
    pixels = np.zeros((*shape, 3), np.uint8)
    middle = tuple(slice((n - 8) // 2, (n + 8) // 2) for n in shape)
    pixels[middle] = 200
    np.testing.assert_array_equal(to_pixels(pixels, config()), np.full((3, 8, 8), 200))


def test_the_short_side_is_resized():
    pixels = np.zeros((16, 32), np.uint8)  # its centre square is columns 8 to 24
    pixels[:, 16:] = 240
    result = to_pixels(pixels, config(1))[0]
    assert (result[:, :3] < 10).all()
    assert (result[:, 5:] > 230).all()


@pytest.mark.parametrize("resample", ["bicubic", "bilinear", "lanczos", "box"])
def test_resizing_is_antialiased(resample):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    result = to_pixels(stripes, config(1, resample=resample))[0, :, 1:-1]
    assert np.abs(result.astype(int) - 127).max() <= 3


@settings(max_examples=60)
@given(
    target=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    original=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    channels=st.sampled_from(sorted(MODES)),
    resample=st.sampled_from(["bicubic", "bilinear", "lanczos"]),
)
def test_an_image_covers_any_size_as_pillow_says(target, original, channels, resample):
    """Its opacity too, which weights the colours that are averaged."""
    scale = max(side / of for side, of in zip(target, original, strict=True))
    assume(scale != 1)  # such an image is cut to whole pixels
    pixels = random_array(original[0], original[1], channels)
    fitted = ImageOps.fit(Image.fromarray(pixels), target[::-1], Image.Resampling[resample.upper()])
    found = to_pixels(pixels, config(channels, target, resample=resample))
    expected = np.asarray(fitted).reshape(*target, channels).transpose(2, 0, 1)
    assert np.abs(found.astype(int) - expected).max() <= 1  # the box differs by rounding


@pytest.mark.parametrize("resample", ["bicubic", "bilinear"])
@pytest.mark.parametrize("side", [7, 16, 50])
def test_resizing_is_torchvision_s_antialiased_one(resample, side):
    pixels = random_array(side, side, 3)
    image = from_numpy(pixels.transpose(2, 0, 1).copy())
    mode = reference.InterpolationMode(resample)
    expected = reference.resize(image, [16, 16], interpolation=mode, antialias=True).numpy()
    found = to_pixels(pixels, config(size=16, resample=resample))
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_box_is_the_mean_and_upwards_a_repetition():
    pixels = random_array(16, 16, 3) // 4 * 4  # so that nothing is rounded
    means = pixels.reshape(8, 2, 8, 2, 3).astype(float).mean((1, 3)).transpose(2, 0, 1)
    np.testing.assert_array_equal(to_pixels(pixels, config(resample="box")), means)
    small = pixels[:8, :8]
    np.testing.assert_array_equal(
        to_pixels(small, config(size=24, resample="box")),
        small.repeat(3, 0).repeat(3, 1).transpose(2, 0, 1),
    )


def test_bilinear_doubling_weights_neighbours_by_a_quarter():
    ramp = np.tile(np.arange(8, dtype=np.uint8) * 8, (8, 1))
    row = to_pixels(ramp, config(1, 16, resample="bilinear"))[0, 5]
    assert row.tolist() == [0, *range(2, 56, 4), 56]


def test_a_crop_is_a_centre_square_of_images_that_are_not():
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[8:16, 12:28] = 90  # the centre 8 x 16
    for crop, height, width in ((8, 8, 16), (8, 16, 8), (16, 8, 16)):
        found = to_pixels(pixels, config(size=(height, width), crop=crop))
        assert (found[:, 2:-2, 2:-2] >= 85).all()
    assert to_pixels(pixels, config(size=(16, 8), crop=16)).min() == 0


def test_crop_is_cut_from_the_original_before_resizing():
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[6:14, 11:19] = 90  # exactly the centre 8 x 8
    np.testing.assert_array_equal(to_pixels(pixels, config(crop=8)), np.full((3, 8, 8), 90))
    assert to_pixels(pixels, config(size=16, crop=8))[:, 4:12, 4:12].min() >= 88


def test_a_crop_larger_than_the_image_is_the_whole_short_side():
    pixels = random_array(9, 13, 3)
    np.testing.assert_array_equal(to_pixels(pixels, config(crop=100)), to_pixels(pixels, config()))


def test_colour_to_grey_and_grey_to_colour():
    red = np.full((8, 8, 3), (255, 0, 0), np.uint8)
    assert (to_pixels(red, config(1)) == 76).all()  # ITU-R 601
    assert (to_pixels(np.full((8, 8), 70, np.uint8), config(3)) == 70).all()


def grey_files(pixels):
    """The same grey image in every mode, opaque."""
    image = Image.fromarray(pixels)
    yield pixels
    yield pixels[..., None]
    yield pixels.astype(np.uint16) * 257
    yield np.stack([pixels] * 3, axis=2)
    yield np.stack([pixels, np.full_like(pixels, 255)], axis=2)
    for mode in ("L", "LA", "RGB", "RGBA", "P"):
        yield encoded(image.convert(mode))
    for mode in ("L", "LA", "RGB", "RGBA", "CMYK", "P"):
        yield encoded(image.convert(mode), "TIFF", compression="tiff_lzw")
    yield encoded(Image.fromarray(pixels.astype(np.uint16) * 257))
    yield encoded(image, "TIFF", tiffinfo={262: 0})  # 0 is white: Pillow inverts 8 bits as it writes
    yield encoded(Image.fromarray(65535 - pixels.astype(np.uint16) * 257), "TIFF", tiffinfo={262: 0})
    yield encoded(image, "JPEG2000", irreversible=False)
    yield encoded(image, "WEBP", lossless=True)
    yield encoded(image, "GIF")
    yield encoded(image, "BMP")
    yield encoded(image, "PPM")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), channels=st.sampled_from(sorted(MODES)), side=st.sampled_from([8, 11]))
def test_a_grey_image_gives_the_same_pixels_in_any_mode(seed, channels, side):
    """So an opaque alpha changes nothing either."""
    pixels = random_array(side, side, 1, seed)
    expected = to_pixels(pixels, config(channels))
    assert (expected[:3] == expected[0]).all()
    for place, content in enumerate(grey_files(pixels)):
        found = to_pixels(content, config(channels))
        np.testing.assert_array_equal(found, expected, err_msg=f"{place} of grey_files")


def clear_files():
    """(file, the colour below): transparent at the left half, dark and opaque at the right."""
    left = np.arange(8) < 4
    grey = np.where(left, 20, 40)[None].repeat(8, 0).astype(np.uint8)
    alpha = np.where(left, 0, 255)[None].repeat(8, 0).astype(np.uint8)
    colour = np.stack([grey] * 3, axis=2)
    yield np.stack([grey, alpha], axis=2)
    yield np.dstack([colour, alpha])
    yield np.dstack([colour, alpha]).astype(np.uint16) * 257
    yield encoded(Image.fromarray(grey), transparency=20)
    yield encoded(Image.fromarray(colour), transparency=(20, 20, 20))
    yield encoded(Image.fromarray(grey.astype(np.uint16) * 257), transparency=20 * 257)
    for mode in ("LA", "RGBA"):
        for kind in ("PNG", "TIFF"):
            yield encoded(Image.fromarray(np.dstack([colour, alpha])).convert(mode), kind)
    palette = Image.fromarray((~left)[None].repeat(8, 0).astype(np.uint8), "L").convert("P")
    palette.putpalette([20, 20, 20, 40, 40, 40])
    yield encoded(palette, transparency=0)
    yield encoded(palette, transparency=b"\0\xff")
    yield encoded(palette, "GIF", transparency=0)
    yield encoded(Image.fromarray(np.dstack([colour, alpha])), "WEBP", lossless=True, exact=True)


@pytest.mark.parametrize("channels", sorted(MODES))
def test_transparency_is_white_in_any_mode_unless_it_is_kept(channels):
    for place, content in enumerate(clear_files()):
        found = to_pixels(content, config(channels))[:, 3]
        expected = np.array([[255] * 4 + [40] * 4] * channels)
        if channels == 4:
            expected[:, :4] = [[20]] * 3 + [[0]]
            expected[3, 4:] = 255
        np.testing.assert_array_equal(found, expected, err_msg=f"{place} of clear_files")


def test_the_background_shows_through_by_opacity():
    black, white = (np.full((8, 8, 4), (shade, shade, shade, 51), np.uint8) for shade in (0, 255))  # a fifth
    assert (np.asarray(to_image(black, "L")) == 204).all()
    assert (np.asarray(to_image(white, "L", background="black")) == 51).all()


def test_cmyk_lab_and_binary_images_have_their_colours():
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert to_pixels(encoded(cmyk, "TIFF"), config())[:, 0, 0].tolist() == [255, 0, 0]
    lab = Image.frombytes("LAB", (8, 8), bytes([255, 0, 0]) * 64)  # lightness 100, neutral
    assert to_pixels(encoded(lab, "TIFF"), config()).min() >= 254
    halves = np.arange(8)[:, None].repeat(8, 1) < 4
    for content in (halves, encoded(Image.fromarray(halves)), encoded(Image.fromarray(halves), "TIFF")):
        np.testing.assert_array_equal(to_pixels(content, config(1))[0], halves * 255)


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (10, 90, 200)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert to_pixels(data, config())[:, 0, 0].tolist() == [10, 0, 0]


def test_a_photograph_is_turned_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right
    eight = random_array(8, 8, 3)
    for pixels, channels in ((eight, 3), (eight[..., 0].astype(np.uint16) * 257, 1)):
        data = encoded(Image.fromarray(pixels), exif=exif)
        upright = np.rot90(eight[..., :channels], -1).transpose(2, 0, 1)
        np.testing.assert_array_equal(to_pixels(data, config(channels)), upright)
        as_tiff = encoded(Image.fromarray(pixels), "TIFF", tiffinfo={274: 6})
        np.testing.assert_array_equal(to_pixels(as_tiff, config(channels)), upright)


@pytest.mark.parametrize("resample", ["bicubic", "bilinear", "lanczos", "box"])
def test_a_large_photograph_decoded_at_a_fraction_looks_the_same(resample):
    noise = Image.fromarray(random_array(6, 8, 3)).resize((800, 600))
    data = encoded(noise, "JPEG", quality=95)
    fast = to_pixels(data, config(size=16, resample=resample))
    slow = to_pixels(np.asarray(open_image(data)), config(size=16, resample=resample))
    assert to_image(data, "RGB", enough=64).size == (100, 75)  # decoded at 1/8
    assert np.abs(fast.astype(int) - slow).max() <= (0 if resample == "box" else 2)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((8, 8), np.float32), "float32 pixels have no fixed range; convert the array to uint8"),
        (np.zeros((8, 8), np.int64), "int64 pixels have no fixed range"),
        (np.zeros((3, 8, 8), np.uint8), r"\(3, 8, 8\) is no image: it needs \(H, W\)"),
        (np.zeros((0, 8), np.uint8), "is no image"),
        (np.zeros(8, np.uint8), "is no image"),
    ],
)
def test_arrays_without_a_range_or_shape_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        to_pixels(array, config())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_a_cut_file_is_unreadable(kind):
    data = encoded(Image.fromarray(random_array(32, 32, 3)), kind)
    to_pixels(data, config())
    with pytest.raises(UNREADABLE):
        to_pixels(data[: len(data) // 2], config())
