"""WebDataset's samples: consecutive members of a .tar with the same key.

A member's key is its path up to the first dot of its base name; the rest is its suffix.
https://github.com/webdataset/webdataset
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from preimage.data.sources.base import printable
from preimage.data.sources.listing import MAX_BYTES, SUFFIXES
from preimage.data.sources.tar_members import Member, TarReader
from preimage.errors import DataError

MAX_LABEL = 1000
MAX_TEXT = 1 << 20
"""The longest label, and caption or .json, in bytes."""
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)


class TarSample(NamedTuple):
    """One image and what belongs to it."""

    key: str
    start: int
    """Offset of its first member's header."""
    members: dict[str, Member]
    """By suffix in lower case, such as `jpg`, `cls`, `seg.png`."""
    data: dict[str, bytes]
    """Of those that were read."""


class Reading:
    """Which members of a sample are its image, its label and the user's columns, as a config says."""

    def __init__(self, image_column: str | None, label_column: str | None) -> None:
        chosen = (label_column or "cls").removeprefix(".")
        self.image = image_column.removeprefix(".").lower() if image_column else None
        self.label_key = chosen[5:] if chosen.startswith("json.") else None
        self.label = "json" if self.label_key else chosen.lower()

    def is_image(self, suffix: str) -> bool:
        """Whether members of this suffix may be a sample's image."""
        return suffix == self.image if self.image else "." + suffix.rsplit(".", 1)[-1] in SUFFIXES

    def is_text(self, suffix: str) -> bool:
        return suffix in (self.label, "json", "txt")

    def everything(self, suffix: str, size: int) -> bool:
        """Whether to read a member: the image, and what else is used."""
        return size <= MAX_BYTES if self.is_image(suffix) else self.is_text(suffix) and size <= MAX_TEXT

    def labels_only(self, suffix: str, size: int) -> bool:
        """Whether to read a member for an index, which needs labels and the types of columns."""
        return suffix in (self.label, "json") and size <= MAX_TEXT

    def image_of(self, sample: TarSample, where: str) -> str | None:
        """The suffix of a sample's image. Raises DataError if it is unclear which of several."""
        found = [suffix for suffix in sample.members if self.is_image(suffix)]
        if len(found) > 1:
            raise DataError(
                f"{where}/{printable(sample.key)} has several images: set data.image_column to one of "
                f"{', '.join(found[:5])}. (Members of one name up to its first dot are one sample.)"
            )
        return found[0] if found else None

    def values_of(self, sample: TarSample, where: str) -> tuple[str, dict[str, Any]]:
        """The text of a sample's label, empty for none; and the user's own values.

        Raises DataError for a label that is neither text nor a whole number, or a .json that is no object.
        """
        where = f"{where}/{printable(sample.key)}"
        own = _json(sample.data["json"], where) if "json" in sample.data else {}
        if self.label_key:
            label = own.pop(self.label_key, None)
            if not isinstance(label, str | int | None):
                raise DataError(
                    f"{where}.json: {self.label_key} is {str(label)[:50]}, neither text nor a whole number; "
                    "set data.label_column to another"
                )
            text = "" if label is None else str(label)
        else:
            text = _text(sample.data.get(self.label, b"")).strip()
        if len(text) > MAX_LABEL or (self.label in sample.members and self.label not in sample.data):
            raise DataError(f"{where}.{self.label} is too long for a label: set data.label_column to another")
        if "txt" in sample.data and self.label != "txt":
            own.setdefault("txt", _text(sample.data["txt"]))
        return text, own


def samples(
    tar: TarReader,
    start: int,
    wanted: Callable[[str, int], bool],
    skip: Callable[[str, str], None] = lambda reason, name: None,
) -> Iterator[TarSample]:
    """Every sample from the header at `start`, with the data of members whose suffix and size are wanted.

    `skip` is told the reason and name of each member that belongs to no sample. Raises DataError for a
    damaged .tar, and for two members of one suffix in a sample.
    """
    sample: TarSample | None = None
    for member in tar.members(start):
        parts = _NAME.fullmatch(member.name)
        if member.kind or not parts:
            skip(member.kind or "names that are no KEY.SUFFIX", member.name)
            continue
        key, suffix = parts[1], parts[2].lower()
        if sample is None or sample.key != key:
            if sample:
                yield sample
            sample = TarSample(key, member.start, {}, {})
        if suffix in sample.members:
            raise DataError(f"{tar.name} has {printable(member.name)} twice: remove one")
        sample.members[suffix] = member
        if wanted(suffix, member.size):
            sample.data[suffix] = tar.read(member.offset, member.size)
    if sample:
        yield sample


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _json(data: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}.json is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{where}.json is no object of keys and values")
    return {printable(key): printable(each) if isinstance(each, str) else each for key, each in value.items()}
