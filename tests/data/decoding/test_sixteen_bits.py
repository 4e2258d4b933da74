"""Images of 16 bits: the same scale whatever the file, the user's white, and what is said of dark ones."""

import io
import struct
import zlib
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from preimage.data.config import DataConfig
from preimage.data.decoding.decode import to_pixels
from preimage.data.decoding.sixteen_bits import Levels, to_8_bits, total

VALUES = np.random.default_rng(0).integers(0, 65_536, (8, 8, 4), np.uint16)


def config(channels=3, **keys):
    return DataConfig(source="folder", path="images", channels=channels, size=8, **keys)


def png(bits: int, colours: int, width: int, rows: list[bytes], transparent: tuple[int, ...] = ()) -> bytes:
    """A PNG of packed rows; `colours` is its colour type. Pillow writes no colours of 16 bits."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, colours, 0, 0, 0)
    key = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)) if transparent else b""
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + key + body + chunk(b"IEND", b"")


def png16(values: np.ndarray, transparent: tuple[int, ...] = ()) -> bytes:
    """Of (H, W, C) uint16."""
    colours = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    rows = [row.astype(">u2").tobytes() for row in values]
    return png(16, colours, values.shape[1], rows, transparent)


def tiff(values: np.ndarray, order: str = "<", **tags: int) -> bytes:
    """An uncompressed TIFF of (H, W, C), C 1, 3 or 4; tags replace those of the same number."""
    height, width, channels = values.shape
    bits = values.dtype.itemsize * 8
    fields = {
        256: width, 257: height, 258: bits, 259: 1, 262: 1 if channels == 1 else 2, 273: 0, 277: channels,
        278: height, 279: values.nbytes, 284: 1, **({338: 2} if channels == 4 else {}),
    }  # fmt: skip
    fields |= {int(tag.removeprefix("t")): value for tag, value in tags.items()}
    per_channel = struct.pack(f"{order}{channels}H", *[bits] * channels)
    start = 8 + 2 + 12 * len(fields) + 4
    fields[273] = start + len(per_channel)
    entries = b"".join(
        struct.pack(f"{order}HHII", tag, 4, 1, value)
        if tag != 258
        else struct.pack(f"{order}HHI", 258, 3, channels)
        + (per_channel.ljust(4, b"\0") if channels <= 2 else struct.pack(f"{order}I", start))
        for tag, value in sorted(fields.items())
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(fields))
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    return head + entries + struct.pack(f"{order}I", 0) + per_channel + data


def files(values: np.ndarray):
    """The same values in every kind of file that holds 16 bits of this many channels."""
    yield values
    yield values.astype(">u2")
    yield png16(values)
    if values.shape[2] != 2:
        yield from (tiff(values, order) for order in "<>")
    if values.shape[2] == 1:
        for kind in ("PNG", "TIFF", "PPM"):
            stream = io.BytesIO()
            Image.fromarray(values[..., 0]).save(stream, kind)
            yield stream.getvalue()


@pytest.mark.parametrize("white", [None, 4095])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_have_one_scale_in_any_file(channels, white):
    values = VALUES[..., :channels]
    shown = np.rint(np.minimum(values, white or 65_535) * (255 / (white or 65_535))).transpose(2, 0, 1)
    for place, content in enumerate(files(values)):
        found = to_pixels(content, config(channels, white=white))
        np.testing.assert_array_equal(found, shown, err_msg=f"{place} of files")


def test_16_bit_grey_with_alpha_keeps_both():
    values = VALUES[..., :2]
    shown = np.rint(values / 257).transpose(2, 0, 1)[[0, 0, 0, 1]]
    for content in files(values):
        np.testing.assert_array_equal(to_pixels(content, config(4)), shown)


@pytest.mark.parametrize("key", [(1000,), (1000, 1001, 1002)])
def test_a_transparent_16_bit_value_is_white_and_its_neighbour_is_not(key):
    values = np.full((8, 8, len(key)), key, np.uint16)
    values[4:] += 1
    for channels in (1, 3):
        found = to_pixels(png16(values, key), config(channels))
        assert (found[:, :4] == 255).all()
        assert (found[:, 4:] == 4).all()  # 1001 / 257, to the nearest
    assert to_pixels(png16(values, key), config(4))[3, ::4, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("bits", "row", "shown"),
    [(1, b"\x55", [0, 255]), (2, b"\x1b\x1b", [0, 255, 170, 255]), (4, b"\x01\x2f" * 2, [0, 255, 34, 255])],
)
def test_a_transparent_value_of_few_bits_is_white(bits, row, shown):
    found = to_pixels(png(bits, 0, 8, [row] * 8, (1,)), config(1))
    assert found[0, 0, : len(shown)].tolist() == shown
    opacity = to_pixels(png(bits, 0, 8, [row] * 8, (1,)), config(4))[3, 0, : len(shown)]
    assert opacity.tolist() == [255, 0, 255, 255][: len(shown)]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_in_a_tiff_0_may_be_white(kind):
    values = (VALUES[..., :1] >> (0 if kind == np.uint16 else 8)).astype(kind)
    inverted = np.iinfo(kind).max - values
    np.testing.assert_array_equal(
        to_pixels(tiff(inverted, t262=0), config(1)), to_pixels(tiff(values), config(1))
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiff(VALUES[..., :1].astype(np.uint32)), "32-bit pixels have no fixed white"),
        (tiff(VALUES[..., :1].astype(np.int32), t339=2), "signed pixels have no fixed black"),
        (tiff((VALUES[..., :1] >> 1).astype(np.int16), t339=2), "signed pixels"),
        (tiff((VALUES[..., :1] >> 9).astype(np.int8), t339=2), "signed pixels"),
        (tiff(VALUES[..., :1].astype(np.float32), t339=3), "floating-point pixels have no fixed range"),
        (tiff(VALUES[..., :3], t284=2), "separate planes of 16 bits cannot be read"),
    ],
)
def test_pixels_that_have_no_range_or_would_be_misread_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        to_pixels(data, config(1))


def test_jpeg_2000_of_more_than_8_bits_is_read_in_grey_only():
    """In colour Pillow's rounding overflows: white becomes black."""
    stream = io.BytesIO()
    Image.fromarray(VALUES[..., 0]).save(stream, "JPEG2000", irreversible=False)
    found = to_pixels(stream.getvalue(), config(1, white=4095))  # the file states its own
    np.testing.assert_array_equal(found, to_8_bits(VALUES[None, ..., 0], 65_535))
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, "JPEG2000")
    data = bytearray(stream.getvalue())
    data[data.index(b"\xff\x4f\xff\x51") + 42] = 15
    with pytest.raises(ValueError, match="JPEG 2000 of more than 8 bits"):
        to_pixels(bytes(data), config())


@given(values=arrays.arrays(np.uint16, 20), white=st.integers(1, 65_535))
def test_the_scale_is_linear_and_rounded(values, white):
    exact = np.minimum(values, white) * 255.0 / white
    assert np.abs(to_8_bits(values, white) - exact).max() <= 0.5 + 1e-9
    assert to_8_bits(np.uint16([0, white, 65_535]), white).tolist() == [0, 255, 255]


def test_12_bit_values_are_told_of_once_with_the_white_to_set():
    levels, others = Levels(), Levels()
    for largest in (3000, 4095, 60_000):
        to_pixels(np.full((8, 8), largest, np.uint16), config(), levels)
    to_pixels(png16(np.full((8, 8, 3), 900, np.uint16)), config(), others)
    to_pixels(np.full((8, 8), 9, np.uint8), config(), others)  # has not 16 bits
    to_pixels(np.zeros((8, 8), np.uint16), config(), others)  # black says nothing
    both = total([levels, Levels(**asdict(others))])
    assert both == Levels(images=5, dark=3, dark_max=4095)
    assert both.warnings(None) == [
        "3 of 5 16-bit images use at most 4,095 of 65,535: if they hold 12-bit values, set data.white=4095"
    ]
    assert others.warnings(None)[0].endswith("if they hold 10-bit values, set data.white=1023")
    assert Levels(images=3).warnings(None) == []


def test_values_above_white_are_told_of():
    levels = Levels()
    clear = np.full((8, 8, 4), (500, 4095, 7, 65_535), np.uint16)  # opacity is no colour
    for values in (clear, np.full((8, 8), 5000, np.uint16)):
        to_pixels(values, config(4, white=4095), levels)
    assert levels.warnings(4095) == [
        "1 of 2 16-bit images have values above data.white=4095, up to 5,000, which become white"
    ]
