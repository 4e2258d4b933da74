"""What a PNG says of itself in text: read without decoding the picture."""

import struct
from collections.abc import Iterator

TEXT, HEIGHT = "Made by", "Rows above the footer"
"""Names of a PNG's texts: the footer's words, and the picture's own height in pixels."""
_FIRST = 8
"""Bytes before the first chunk."""


def texts(png: bytes) -> dict[str, str]:
    """The plain texts (tEXt) of a PNG by name; those before its pixels, as ours are."""
    found: dict[str, str] = {}
    for kind, data in _chunks(png):
        if kind == b"IDAT":
            break
        if kind == b"tEXt":
            name, _, text = data.partition(b"\0")
            found[name.decode("latin-1")] = text.decode("latin-1")
    return found


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = _FIRST
    while place + 8 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += 12 + length
