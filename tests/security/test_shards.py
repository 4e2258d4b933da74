"""Shards and arrays of anybody's: images, or one message; never an endless or a huge read."""

import io
import struct
import tarfile

import numpy as np
import pytest
from hypothesis import given

from preimage.data.config import DataConfig
from preimage.data.sources.arrays import ArraysSource
from preimage.data.sources.webdataset import WebDatasetSource
from preimage.errors import DataError
from security.mutations import FUZZ, damaged, documented, memory_within

IMAGES = np.arange(6 * 8 * 8, dtype=np.uint8).reshape(6, 8, 8)


def tar_of(members: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def read_shards(path):
    source = WebDatasetSource(DataConfig(source="webdataset", path=str(path)))
    return [sample for piece in range(len(source.pieces)) for sample in source.read(piece)]


def read_arrays(path):
    source = ArraysSource(DataConfig(source="arrays", path=str(path)))
    return [(source.row(i), source.load(i)) for i in range(min(len(source), 1000))]


def test_any_bytes_of_a_shard(tmp_path):
    members = [
        (f"{'é' * 60 * (i % 2)}{i}.{suffix}", data)
        for i in range(4)
        for suffix, data in (("cls", b"%d" % i), ("json", b'{"a": 1, "b": "x"}'), ("png", bytes([i]) * 700))
    ]
    data, path = tar_of(members), tmp_path / "a.tar"

    @FUZZ
    @given(damaged(data))
    def each(found):
        path.write_bytes(found)
        samples = documented(lambda: read_shards(path)) or []
        assert {len(sample.content or b"") for sample in samples} <= {700}

    each()


@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
def test_any_bytes_of_an_array(tmp_path, kind):
    path = tmp_path / f"x.{'npy' if kind == 'npy' else 'npz'}"
    if kind == "npy":
        np.save(path, IMAGES)
    else:
        write = np.savez if kind == "npz" else np.savez_compressed
        write(path, images=IMAGES, labels=np.arange(6), names=np.array(list("abcdef")))
    data = path.read_bytes()

    @FUZZ
    @given(damaged(data))
    def each(found):
        path.write_bytes(found)
        images = documented(lambda: read_arrays(path))
        assert images is None or {image.shape for _, image in images} <= {(8, 8)}
        if images and kind == "compressed":  # it has a checksum
            np.testing.assert_array_equal([image for _, image in images], IMAGES)

    each()


def header(size: bytes = b"00000000012\0", kind: bytes = b"0") -> bytes:
    """A member's header with a right checksum."""
    block = bytearray(512)
    block[:5], block[124:136], block[156:157], block[257:265] = b"1.png", size, kind, b"ustar\00000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (header(b"\x80" + b"\xff" * 11), "ends within a member"),
        (header(b"\xff" * 12), "no number"),
        (header(b"-0000000001\0"), "ends within a member"),
        (header(b"77777777777\0", b"x"), "header of 8,589,934,591 bytes"),
        (header(kind=b"S"), "is sparse"),
        (header(kind=b"V"), "unknown type"),
        (header(kind=b"x") + b"12 size=-1\n".ljust(512, b"\0"), "invalid pax header"),
        (header(b"00000000013\0", b"x") + b"11 size=-1\n".ljust(512, b"\0") + header(), "a size is '-1'"),
        (header(kind=b"x") + b"0 size=1\n\n".ljust(512, b"\0"), "invalid pax header"),
        (header(kind=b"g") + b"10 path=x\n".ljust(512, b"\0"), "one path or size for all"),
    ],
)
def test_headers_that_claim_anything(tmp_path, start, message):
    (tmp_path / "a.tar").write_bytes(start.ljust(5120, b"\0"))
    with memory_within(20), pytest.raises(DataError, match=message):
        read_shards(tmp_path / "a.tar")


def test_a_compressed_array_that_claims_any_size(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=IMAGES)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 24 : entry + 28] = struct.pack("<I", 3 << 30)
    path.write_bytes(data)
    with memory_within(50), pytest.raises(DataError, match="truncated or too long"):
        read_arrays(path)


def test_a_few_bytes_that_stand_for_gigabytes_are_not_unpacked_to_be_refused(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", names=np.zeros(100 << 20, np.uint8))
    with memory_within(50), pytest.raises(DataError, match="unclear which array"):
        read_arrays(tmp_path / "x.npz")
