"""Files in a bucket, as pyarrow reads them."""

import pytest

from preimage.storage import arrow_files


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 25, 30])
def test_a_stream_is_the_whole_file_in_requests_of_a_block(s3, monkeypatch, size):
    monkeypatch.setattr(arrow_files, "BLOCK", 10)
    data = bytes(range(size))
    s3.write("file", data)
    for most in (1, 7, 100):
        with s3.filesystem.open_input_stream(f"{s3.path}/file", compression=None) as stream:
            found = b"".join(iter(lambda: stream.read(most), b""))  # noqa: B023
        assert found == data


@pytest.mark.parametrize("size", [0, 9, 10, 11, 30])
def test_a_file_is_read_at_any_place(s3, monkeypatch, size):
    monkeypatch.setattr(arrow_files, "TAIL", 10)
    data = bytes(range(size))
    s3.write("file", data)
    with s3.filesystem.open_input_file(f"{s3.path}/file") as file:
        assert file.size() == size
        for start in range(size):
            for length in (1, 5, 40):
                assert file.read_at(length, start) == data[start : start + length]
        file.seek(0)
        assert file.read() == data


def test_no_more_of_a_large_file_is_read_than_is_asked_for(s3, monkeypatch):
    monkeypatch.setattr(arrow_files, "BLOCK", 10)
    s3.write("file", bytes(100_000))
    asked = []
    objects = s3.storage.objects
    monkeypatch.setattr(objects, "get_range", lambda *given: asked.append(given) or bytes(given[2]))
    with s3.filesystem.open_input_stream(f"{s3.path}/file", compression=None) as stream:
        assert stream.read(12) == bytes(12)
    assert sum(length for _, _, length in asked) <= 20
