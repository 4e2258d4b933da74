"""What a .tar of samples holds, by its headers, labels and .json members: images are sought over."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from preimage.data.sources.base import printable
from preimage.data.sources.data_files import DataFile
from preimage.data.sources.file_state import cache
from preimage.data.sources.labels import require_classes
from preimage.data.sources.read_errors import reaching
from preimage.data.sources.tar_members import TarReader
from preimage.data.sources.tar_samples import MAX_TEXT, Reading, TarSample, samples
from preimage.errors import DataError, StorageError
from preimage.storage.folder import Folder, digest

PIECE = 4096
"""Images that are read in one go."""
MAX_COLUMNS = 256
_MAX_SUFFIXES = 1000
_VERSION = 1
_LOCAL_BLOCK, _REMOTE_BLOCK = 1 << 12, 1 << 20
"""Bytes to read at once: on object storage a request takes as long as some MiB."""
_DISORDER = "a sample's members must follow one another, as tar --sort=name packs them"


class TarIndex(BaseModel):
    """One .tar. Nothing in it grows with the number of images but one place for each 4,096."""

    model_config = ConfigDict(extra="forbid")

    starts: list[int] = []
    """Offset of each piece."""
    counts: list[int] = []
    """Images of each piece."""
    labels: dict[str, int] = {}
    """Images by the text of their label, empty for none."""
    suffixes: dict[str, int] = {}
    """Members beside images, by suffix."""
    columns: dict[str, list[str]] = {}
    """Types of the values of each column."""
    skipped: dict[str, tuple[int, list[str]]] = {}
    """By reason: how many, and the first names."""
    digest: str = ""
    """Of the names, sizes and labels of all images."""


@contextmanager
def open_tar(root: Folder, name: str, block: int) -> Iterator[TarReader]:
    """Raises DataError if the file cannot be opened."""
    where = f"{root / name}"
    with reaching(where):
        stream = root.filesystem.open_input_file(f"{root.path}/{name}")
    with stream:
        yield TarReader(stream, where, block)


def index_of(root: Folder, shard: DataFile, reading: Reading) -> TarIndex:
    """A shard's index: from the cache if the file is as it was.

    Raises DataError if the shard is damaged or unclear.
    """
    kept = Folder.at(cache() / "index")
    identity = (_VERSION, root.uri, shard, reading.image, reading.label, reading.label_key)
    name = digest(repr(identity).encode(errors="surrogateescape")) + ".json"
    try:
        return TarIndex.model_validate_json(kept.read(name))
    except (StorageError, ValidationError):
        pass  # made anew
    with open_tar(root, shard.name, _LOCAL_BLOCK if root.is_local else _REMOTE_BLOCK) as tar:
        made = make_index(tar, reading)
    with suppress(StorageError):  # only slower the next time
        kept.write(name, made.model_dump_json().encode())
    return made


def make_index(tar: TarReader, reading: Reading) -> TarIndex:
    """Read all headers, labels and .json members. Raises DataError if the .tar is damaged or unclear."""
    made, names = _Making(tar.name, reading), array("q")
    for sample in samples(tar, 0, reading.labels_only, made.skip):
        suffix = reading.image_of(sample, tar.name)
        if suffix is None:
            made.skip(f"samples without {reading.image or 'an image'}; {_DISORDER}", sample.key)
            continue
        image = sample.members.pop(suffix)
        names.append(hash(image.name))
        made.add(sample, f"{image.name}\0{image.size}", *reading.values_of(sample, tar.name))
    _require_distinct(np.frombuffer(names, np.int64), tar)
    return made.index()


class _Making:
    """An index that grows sample by sample."""

    def __init__(self, where: str, reading: Reading) -> None:
        self._where, self._reading = where, reading
        self._made = TarIndex()
        self._labels, self._suffixes = Counter[str](), Counter[str]()
        self._columns: dict[str, set[str]] = {}
        self._hasher = hashlib.sha256()

    def skip(self, reason: str, name: str) -> None:
        count, first = self._made.skipped.get(reason, (0, []))
        self._made.skipped[reason] = (count + 1, [*first, printable(name)][:3])

    def add(self, sample: TarSample, image: str, label: str, own: dict[str, Any]) -> None:
        starts, counts = self._made.starts, self._made.counts
        if not counts or counts[-1] == PIECE:
            starts.append(sample.start)
            counts.append(0)
            self._require_few()
        counts[-1] += 1
        self._labels[label] += 1
        for suffix, member in sample.members.items():
            self._suffixes[printable(suffix) + (" over 1 MiB" if member.size > MAX_TEXT else "")] += 1
        if "txt" in sample.members and self._reading.label != "txt":
            self._columns.setdefault("txt", set()).add("caption")
        for key, value in own.items():
            if len(self._columns) <= MAX_COLUMNS or key in self._columns:
                self._columns.setdefault(key, set()).update(_kinds(value))
        self._hasher.update(f"{image}\0{label}\n".encode(errors="surrogateescape"))

    def index(self) -> TarIndex:
        self._require_few()
        columns = {name: sorted(kinds) for name, kinds in self._columns.items()}
        found = {"labels": dict(self._labels), "suffixes": dict(self._suffixes), "columns": columns}
        return self._made.model_copy(update=found | {"digest": self._hasher.hexdigest()})

    def _require_few(self) -> None:
        require_classes(len(self._labels), self._where)
        if len(self._suffixes) > _MAX_SUFFIXES:
            raise DataError(
                f"{self._where} has members of over {_MAX_SUFFIXES:,} suffixes, such as "
                f"{next(iter(self._suffixes))}: a suffix starts at the first dot of a name, so rename them"
            )


def _kinds(value: Any) -> set[str]:
    """The type of a value, or none for null."""
    if value is None:
        return set()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return {"large"}
    return {type(value).__name__}


def _require_distinct(hashes: np.ndarray, tar: TarReader) -> None:
    """Raises DataError for two images of one name: 8 bytes an image, for as long as one shard is read."""
    values, counts = np.unique(hashes, return_counts=True)
    if len(repeated := set(values[counts > 1].tolist())):
        names = (member.name for member in tar.members() if not member.kind)
        name = printable(next(name for name in names if hash(name) in repeated))
        raise DataError(f"{tar.name} has {name} twice: remove one")
