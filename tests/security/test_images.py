"""Images, archives and folders of them from anybody: an image, or its place in the list of those left out."""

import gzip
import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from preimage.data.config import DataConfig
from preimage.data.decoding.decode import to_pixels
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.folder import FilesSource
from preimage.data.sources.listing import MAX_BYTES
from preimage.data.sources.open import open_source
from preimage.errors import DataError
from preimage.storage.folder import Folder
from security.mutations import FUZZ, damaged, documented, memory_within

LARGEST = 89_478_485
"""Pixels of an image, which Pillow takes for an attempt on memory beyond."""


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (12, 10), **options) -> bytes:
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8))
    stream = io.BytesIO()
    pixels.convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (12, 10), (10 * i, 0, 0)) for i in range(4)]
    stream = io.BytesIO()
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:])
    return stream.getvalue()


def sixteen_bits() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(120, dtype=np.uint16).reshape(10, 12) * 500).save(stream, "PNG")
    return stream.getvalue()


def png_of(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG that claims a size, whatever it holds."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


IMAGES = {
    "png": encoded("PNG"),
    "grey": encoded("PNG", "L"),
    "palette": encoded("PNG", "P"),
    "alpha": encoded("PNG", "RGBA"),
    "jpeg": encoded("JPEG"),
    "cmyk": encoded("JPEG", "CMYK"),
    "bmp": encoded("BMP"),
    "gif": animated("GIF"),
    "webp": animated("WEBP"),
    "tiff": encoded("TIFF"),
    "lzw": encoded("TIFF", compression="tiff_lzw"),
    "deflate": encoded("TIFF", compression="tiff_adobe_deflate"),
    "ppm": encoded("PPM"),
    "jp2": encoded("JPEG2000"),
    "16 bits": sixteen_bits(),
    "apng": animated("PNG"),
}


def only(tmp_path, data: bytes):
    """What becomes of one image in a folder, with a good one beside it: its pixels, or why it is left out."""
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "images" / "a.png").write_bytes(data)
    (tmp_path / "images" / "b.png").write_bytes(IMAGES["png"])
    return prepared(tmp_path / "images", tmp_path / "out")


def prepared(path, out):
    """The dataset of a folder or an archive; None where it is refused."""
    config = DataConfig(source="folder", path=str(path), size=8, channels=3, on_error="skip")
    folder = Folder.at(out)
    folder.delete()
    return documented(lambda: prepare(config, folder, backend="local"))


@pytest.mark.parametrize("kind", IMAGES)
def test_any_bytes_of_an_image(tmp_path, kind):
    assert len(only(tmp_path, IMAGES[kind])) == 2

    @FUZZ
    @given(damaged(IMAGES[kind]))
    def each(data):
        found = only(tmp_path, data)
        assert found.count + len(found.skipped) == 2
        assert 1 in found.read(0, found.count).image_id  # the good one

    each()


@pytest.mark.parametrize("kind", IMAGES)
def test_every_kind_of_image_has_the_shape_asked_for(kind):
    for channels, *size in ((1, 8, 8), (3, 8, 12), (4, 12, 8)):
        config = DataConfig(source="folder", path="images", channels=channels, size=size)
        pixels = to_pixels(IMAGES[kind], config)
        assert (pixels.shape, pixels.dtype) == ((channels, *size), np.uint8)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cannot identify"),
        (b"\0" * 1000, "cannot identify"),
        (png_of(30_000, 30_000), "DecompressionBomb"),
        (png_of(2**31 - 1, 2**31 - 1), ""),
        (png_of(1, 2**31 - 1), ""),
        (png_of(0, 0), ""),
        (png_of(20_000, 20_000, b"\0" * 50_000_000), "DecompressionBomb"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "cannot identify"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
            "cannot identify",
        ),
    ],
)
def test_an_image_that_is_none_or_a_bomb_is_left_out(tmp_path, data, why):
    with memory_within(60):
        found = only(tmp_path, data)
    assert (found.count, len(found.skipped)) == (1, 1)
    assert why in found.skipped[0]["error"]


def test_an_image_as_large_as_is_taken_is_bounded(tmp_path):
    data = png_of(9_000, 9_900, b"\0" * (9_001 * 9_900))
    with memory_within(6 * LARGEST >> 20):
        found = only(tmp_path, data)
    assert found.count == 2


def archive(tmp_path, members, **options):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_any_bytes_of_an_archive(tmp_path, method):
    path = archive(
        tmp_path, [(f"{name}/é{name}.png", IMAGES[name]) for name in ("png", "grey")], compression=method
    )
    whole = path.read_bytes()
    ids = prepared(path, tmp_path / "out").count
    assert ids == 2

    @FUZZ
    @given(damaged(whole))
    def each(data):
        path.write_bytes(data)
        found = prepared(path, tmp_path / "out")
        assert found is None or found.count + len(found.skipped) in (1, 2)
        assert {each.name for each in tmp_path.iterdir()} <= {"a.zip", "out"}

    each()


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "a/../../a.png",
        "/tmp/a.png",
        "..\\a.png",
        "C:/a.png",
        "C:\\a.png",
        "//host/a.png",
        "a/..\\b.png",
    ],
)
def test_a_member_that_points_outside_is_refused(tmp_path, name):
    path = archive(tmp_path, [("b.png", IMAGES["png"]), (name, IMAGES["png"])])
    with pytest.raises(DataError, match="points outside"):
        FilesSource(path, DataConfig(source="folder"))


def test_a_member_that_comes_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive(tmp_path, [("a.png", IMAGES["png"]), ("a.png", IMAGES["grey"])])
    with pytest.raises(DataError, match="twice"):
        FilesSource(path, DataConfig(source="folder"))


def test_a_link_a_lock_and_an_archive_within_are_no_images(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    inner = archive(tmp_path, [("a.png", IMAGES["png"])]).read_bytes()
    members = [(link, "/etc/hostname"), ("inner.zip", inner), ("inner.png", inner), ("nul\0.png", b"")]
    path = archive(tmp_path, [*members, ("a.png", IMAGES["png"]), ("b.png", IMAGES["png"])])
    data = bytearray(path.read_bytes())
    data[data.rindex(b"b.png") - 46 + 8] |= 1  # encrypted
    path.write_bytes(data)
    found = prepared(path, tmp_path / "out")
    assert found.count == 1
    assert sorted(each["name"] for each in found.skipped) == ["b.png", "inner.png", "link.png"]


def test_a_small_archive_that_stands_for_gigabytes_is_bounded(tmp_path):
    zeros = b"\0" * (64 << 20)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr("b.png", IMAGES["png"])
        with file.open("bomb.png", "w", force_zip64=True) as member:
            for _ in range(-(-MAX_BYTES // len(zeros)) + 1):
                member.write(zeros)
    assert path.stat().st_size < 1 << 20
    with memory_within(60):
        found = prepared(path, tmp_path / "out")
    assert "a file of" in found.skipped[0]["error"]
    data = path.read_bytes()  # the same, with a size that is a lie
    true = struct.pack("<I", MAX_BYTES + len(zeros))
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, struct.pack("<I", 1000)))
    with memory_within(60):
        found = prepared(path, tmp_path / "lie")
    assert (found.count, found.skipped[0]["name"]) == (1, "bomb.png")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_to_any_size_are_not_used(tmp_path, method):
    zeros = b"\0" * (100 << 20)
    path = archive(tmp_path, [("bomb.png", zeros)], compression=method)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("b.png", IMAGES["png"])
    assert path.stat().st_size < 1 << 20
    with memory_within(60):
        found = prepared(path, tmp_path / "out")
    assert (found.count, found.skipped[0]["name"]) == (1, "bomb.png")
    assert "not packed with deflate" in found.skipped[0]["error"]


def test_what_never_ends_is_no_image(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(IMAGES["png"])
    os.mkfifo(folder / "pipe.png")
    os.symlink("/dev/zero", folder / "zeros.png")
    os.symlink(folder / "self.png", folder / "self.png")
    os.symlink(folder / "nowhere", folder / "lost.png")
    os.symlink(folder, folder / "round")
    with memory_within(60):
        found = prepared(folder, tmp_path / "out")
    names = ["lost.png", "pipe.png", "self.png", "zeros.png"]
    assert (found.count, sorted(each["name"] for each in found.skipped)) == (1, names)


def idx(shape: tuple[int, ...], data: bytes) -> bytes:
    return struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape) + data


PIXELS, LABELS = idx((4, 5, 6), bytes(120)), idx((4,), bytes(4))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_any_bytes_of_idx_files(tmp_path, suffix):
    pack = gzip.compress if suffix else bytes
    config = DataConfig(source="mnist", path=str(tmp_path), size=8, channels=1, on_error="skip")
    shapes = st.tuples(*[st.sampled_from([0, 1, 4, 5, 2**16, 2**31, 2**32 - 1])] * 3)

    @FUZZ
    @given(
        st.one_of(damaged(pack(PIXELS)), shapes.map(lambda shape: pack(idx(shape, bytes(120))))),
        st.one_of(st.just(pack(LABELS)), damaged(pack(LABELS))),
    )
    def each(images, labels):
        (tmp_path / f"train-images-idx3-ubyte{suffix}").write_bytes(images)
        (tmp_path / f"train-labels-idx1-ubyte{suffix}").write_bytes(labels)
        out = Folder.at(tmp_path / "out")
        out.delete()
        found = documented(lambda: prepare(config, out, backend="local"))
        assert found is None or found.count + len(found.skipped) == len(open_source(config))

    each()


def test_a_small_idx_file_that_stands_for_gigabytes_is_bounded(tmp_path):
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb", compresslevel=9) as file:
        file.write(idx((60_000, 28, 28), b""))
        for _ in range(8):
            file.write(bytes(64 << 20))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(LABELS)
    config = DataConfig(source="mnist", path=str(tmp_path), size=28, channels=1)
    with memory_within(150), pytest.raises(DataError, match="too long"):
        len(open_source(config))
