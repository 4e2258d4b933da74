"""The members of a .tar by their headers alone: the data between them are sought over.

Python's tarfile takes three times as long, and keeps every member in memory. Formats: POSIX.1-2001 (ustar,
pax); GNU's long names and base-256 numbers (https://www.gnu.org/software/tar/manual/html_node/Standard.html).
"""

from collections.abc import Iterator
from typing import NamedTuple

from pyarrow import NativeFile

from preimage.data.sources.read_errors import reaching
from preimage.errors import DataError

_BLOCK = 512
_MAX_RECORDS = 1 << 20
_OTHER_KINDS = {b"1": "hard links", b"2": "links", b"3": "devices", b"4": "devices", b"6": "pipes"}
_COMPRESSED = {b"\x1f\x8b": "gunzip", b"\x28\xb5": "unzstd", b"BZ": "bunzip2", b"\xfd7": "unxz"}


class Member(NamedTuple):
    """A member of a .tar, by its header."""

    name: str
    start: int
    """Offset of its first header."""
    offset: int
    """Offset of its data."""
    size: int
    kind: str = ""
    """Empty for a file; `links` for what has no data of its own."""


class TarReader:
    """A .tar that is read in blocks of some bytes, so that small reads side by side are few."""

    def __init__(self, file: NativeFile, name: str, block: int) -> None:
        self.name, self.size = name, file.size()
        self._file, self._block, self._start, self._data = file, block, 0, b""

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes. Raises DataError if the file ends before."""
        at = offset - self._start
        if at < 0 or at + length > len(self._data):
            kept = self._data[at:] if 0 <= at < len(self._data) else b""
            wanted = min(max(self._block, length - len(kept)), self.size - offset - len(kept))
            with reaching(self.name):
                more = self._file.read_at(wanted, offset + len(kept)) if wanted > 0 else b""
            self._start, self._data, at = offset, kept + more, 0
            if len(self._data) < length:
                raise self._damaged(offset, "the file ends within a member")
        return self._data[at : at + length]

    def members(self, start: int = 0) -> Iterator[Member]:
        """Every member but folders, from the header at `start`.

        Raises DataError if the file is truncated or no .tar, or for a kind of member that cannot be read.
        """
        position, first = start, start
        records: dict[str, str] = {}  # what the headers before a member's own say of it
        while any(header := self._header(position)):
            kind, offset = header[156:157], position + _BLOCK
            size = self._number(header[124:136], position)
            if kind in b"LKxXg":
                for name, value in self._records(kind, offset, size).items():
                    records.setdefault(name, value)
                position = self._after(offset, size)
                continue
            name = records.get("path") or _name(header)
            if kind == b"5" or (kind == b"\0" and name.endswith("/")):
                size = 0
            elif kind in _OTHER_KINDS:
                size = 0
                yield Member(name, first, offset, 0, _OTHER_KINDS[kind])
            elif kind in b"0\x007":
                size = self._decimal(records["size"], position) if "size" in records else size
                self._after(offset, size)
                yield Member(name, first, offset, size)
            else:
                what = "is sparse" if kind == b"S" else f"has the unknown type {kind!r}"
                raise DataError(f"{self.name}: {name} {what}; pack its files again with tar --format=pax")
            position = first = self._after(offset, size)
            records = {}
        self._refuse_more(position)

    def _header(self, position: int) -> bytes:
        if self.size - position < _BLOCK:
            raise self._damaged(position, "there is no end marker, as in a file that was cut short")
        header = self.read(position, _BLOCK)
        if header[0] or any(header):
            expected = self._number(header[148:156], position)
            set_bytes = (header[:148] + b" " * 8 + header[156:]).translate(None, b"\0")
            total = sum(set_bytes)  # of bytes, or of signed chars in very old files
            if expected != total and expected != total - 256 * sum(byte > 127 for byte in set_bytes):
                raise self._damaged(position, "a header's checksum is wrong")
        return header

    def _number(self, field: bytes, position: int) -> int:
        """In octal digits, or in base 256 after a byte with its high bit set."""
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        try:
            return int(field.split(b"\0")[0].strip() or b"0", 8)
        except ValueError as error:
            raise self._damaged(position, "a header holds no number where one belongs") from error

    def _decimal(self, text: str, position: int) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise self._damaged(position, f"a size is {text[:20]!r}")
        return int(text)

    def _after(self, offset: int, size: int) -> int:
        """Where the next header is."""
        if not 0 <= size <= self.size - offset:
            raise self._damaged(offset, "the file ends within a member")
        return offset + -(-size // _BLOCK) * _BLOCK

    def _records(self, kind: bytes, offset: int, size: int) -> dict[str, str]:
        """The path and size that a GNU long name or pax records give the next member."""
        if size > _MAX_RECORDS:
            raise self._damaged(offset, f"a header of {size:,} bytes")
        data = self.read(offset, self._after(offset, size) and size)
        if kind == b"K":
            return {}
        if kind == b"L":
            return {"path": _text(data.split(b"\0")[0])}
        found = dict(self._pax(data, offset))
        if any(key.startswith("GNU.sparse") for key in found):
            raise DataError(f"{self.name} has a sparse member; pack its files again with tar --format=pax")
        if kind == b"g" and found.keys() & {"path", "size"}:
            raise self._damaged(offset, "one path or size for all members")
        return {key: found[key] for key in ("path", "size") if key in found}

    def _pax(self, data: bytes, offset: int) -> Iterator[tuple[str, str]]:
        """Records `LENGTH KEY=VALUE\\n`, where the length counts itself."""
        at = 0
        while at < len(data) and data[at]:
            length, space, _ = data[at : at + 20].partition(b" ")
            end = at + (int(length) if length.isdigit() else 0)
            key, equals, value = data[at + len(length) + 1 : max(at, end - 1)].partition(b"=")
            if not (space and equals) or data[end - 1 : end] != b"\n":
                raise self._damaged(offset, "an invalid pax header")
            yield _text(key), _text(value)
            at = end

    def _refuse_more(self, position: int) -> None:
        """Only zeros follow the end marker, or members would be lost without a word."""
        if any(self.read(position, min(1 << 16, self.size - position))):
            raise DataError(
                f"{self.name} has more after its end marker, as when .tar files were joined by cat: give "
                "those files instead, or extract it with tar --ignore-zeros -xf and pack it again"
            )

    def _damaged(self, position: int, why: str) -> DataError:
        if position == 0:
            if tool := _COMPRESSED.get(self._data[:2]):
                return DataError(f"{self.name} is compressed, so no part can be read alone: {tool} it first")
            return DataError(f"{self.name} is not a .tar ({why})")
        return DataError(f"{self.name} is damaged at byte {position:,}: {why}. Copy or download it again.")


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
