"""The last lines of a submission's output, by whatever files it lies in."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.cluster.output_tail import last_line, tail
from preimage.cluster.submissions import Submission
from preimage.storage.folder import Folder


def printed(folder, *parts: bytes) -> Submission:
    made = Submission(folder)
    for number, data in enumerate(parts):
        made.logs.write(f"0001-{number:06d}.txt", data)
    return made


@settings(max_examples=60)
@given(st.lists(st.text("ab\né", max_size=6), max_size=5), st.integers(0, 6))
def test_the_tail_is_that_of_the_whole(tmp_path_factory, parts, lines):
    made = printed(Folder.at(tmp_path_factory.mktemp("it")), *(each.encode() for each in parts))
    whole = io.BytesIO("".join(parts).encode()).readlines()
    found, place = tail(made, lines)
    assert found == b"".join(whole[max(len(whole) - lines, 0) :])
    assert made.printed(place)[0] == b"", "nothing is printed twice by who follows"


def test_of_long_output_only_the_end_is_read(folder, monkeypatch):
    made, read = printed(folder / "it", *[b"line\n" * 100] * 50), []
    monkeypatch.setattr(
        Folder, "read", lambda self, name, kept=Folder.read: read.append(name) or kept(self, name)
    )
    assert tail(made, 150)[0] == b"line\n" * 150
    assert read == ["0001-000049.txt", "0001-000048.txt"]


@pytest.mark.parametrize(
    ("output", "expected"), [(b"", ""), (b"one\n\n  \n", "one"), (b"a\n1 of 9\r2 of 9\r", "2 of 9")]
)
def test_the_last_line_is_one_that_says_something(folder, output, expected):
    assert last_line(printed(folder / "it", output)) == expected
