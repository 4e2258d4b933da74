"""JSON files that a crash may have torn."""

import pytest

from preimage.config import Config
from preimage.errors import StorageError
from preimage.storage.validated_json import read_or_none, read_validated


class Point(Config):
    x: int


TORN = [b"", b"\0" * 20, b'{"x": 1', b"\xff\xfe", b"[" * 100_000, b"null"]


@pytest.mark.parametrize("text", TORN)
def test_what_a_crash_may_leave_counts_as_missing_with_one_warning(folder, caplog, text):
    assert read_or_none(folder, "a.json", Point) is None
    folder.write("a.json", text)
    for _ in range(3):
        assert read_or_none(folder, "a.json", Point) is None
    assert caplog.messages == [
        f"{folder / 'a.json'} is not JSON: it was cut short or altered. It counts as missing."
    ]


@pytest.mark.parametrize("value", [{"x": "one"}, {"y": 1}, []])
def test_what_no_crash_leaves_is_refused_with_a_way_out(folder, value):
    folder.write_json("a.json", value)
    with pytest.raises(StorageError, match=r"a\.json was altered, or comes from another version: .*\. Use"):
        read_or_none(folder, "a.json", Point)
    with pytest.raises(StorageError, match=r"a\.json was altered, or comes from another version"):
        read_validated(folder, "a.json", Point)


def test_a_value_of_the_kind_is_read_unchanged(folder):
    folder.write_json("a.json", {"x": 1})
    assert read_or_none(folder, "a.json", Point) == read_validated(folder, "a.json", Point) == {"x": 1}
