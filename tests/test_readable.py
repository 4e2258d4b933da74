"""Numbers, durations and sizes in words."""

import pytest

from preimage import readable


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "1 second"),
        (3.6, "4 seconds"),
        (61, "2 minutes"),
        (1800, "30 minutes"),
        (6300, "1.8 hours"),
        (40.2 * 3600, "40 hours"),
    ],
)
def test_durations(seconds, text):
    assert readable.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "just now"), (60, "1 minute ago"), (7300, "2 hours ago"), (864000, "10 days ago")],
)
def test_how_long_ago(seconds, text):
    assert readable.ago(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (5 << 50, "5120.0 TiB")],
)
def test_sizes(count, text):
    assert readable.size(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (12345, "12,345"), (0.123456, "0.1235"), (1234.56, "1,235"), (98765.4, "98,765"),
     (True, "True"), ([1, 2], "1, 2"), ("a", "a")],
)  # fmt: skip
def test_numbers(value, text):
    assert readable.number(value) == text
