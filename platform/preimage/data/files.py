"""A user's own images: a tree of files, or a .zip of one. Each folder is a class."""

import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from preimage.data.file_state import signed
from preimage.data.source import NO_COLUMNS, Contents, Row, Signature
from preimage.errors import DataError

SUFFIXES = frozenset({
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
SPLITS = ("train", "test")
MAX_BYTES = 1 << 29
"""The largest image file to hold in memory: a few bytes of a .zip may expand to any number."""


class File(NamedTuple):
    """An image file before it is opened."""

    name: str
    """Relative to the root, with forward slashes."""
    size: int
    mark: int
    """Changes with the content: the CRC-32 in a .zip, the modification time in a tree."""


class FilesSource:
    """The images of one split of a tree or .zip, sorted by name.

    The label comes from the parent folder's name; it is -1 if all images are in one folder. Class names
    cover both splits, so that a label means the same in each.
    """

    columns = NO_COLUMNS

    def __init__(self, path: Path, split: str) -> None:
        """Raises DataError for a broken or hostile .zip, a missing split, or no image at all."""
        self._archive = _open_zip(path) if path.is_file() else None
        self._path = path
        files = sorted(_zip_files(self._archive, path) if self._archive else _tree_files(path))
        if not files:
            raise DataError(f"{path} holds no images ({' '.join(sorted(SUFFIXES))})")
        self._files, self._labels, self.classes = _arrange(files, split, path)

    @property
    def contents(self) -> Contents:
        counts = np.bincount([each for each in self._labels if each >= 0], minlength=len(self.classes))
        return Contents(class_counts=tuple(counts.tolist()))

    @property
    def signature(self) -> Signature:
        return self._signature

    @cached_property
    def _signature(self) -> Signature:
        return signed((file.name, file.size, str(file.mark)) for file in self._files)

    def __len__(self) -> int:
        return len(self._files)

    def row(self, index: int) -> Row:
        return Row(_printable(self._files[index].name), self._labels[index])

    def load(self, index: int) -> bytes:
        file = self._files[index]
        if file.size > MAX_BYTES:
            raise ValueError(f"a file of {file.size:,} bytes")
        return _read_member(self._archive, file) if self._archive else _read_file(self._path / file.name)

    def state(self, indices: np.ndarray) -> str:
        files = (self._files[index] for index in indices.tolist())
        return signed((file.name, file.size, str(file.mark)) for file in files).state


def holds_images(path: Path) -> bool:
    """Whether a path is a .zip, or a folder with an image somewhere below."""
    if path.is_file():
        return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)
    return next(_tree_files(path), None) is not None


def _tree_files(root: Path) -> Iterator[File]:
    """Image files below a folder. Follows links, but not in circles."""
    pending = [(str(root), "", frozenset({os.path.realpath(root)}))]
    while pending:
        folder, prefix, above = pending.pop()
        for entry in _scan(folder):
            name = prefix + entry.name
            if _is_junk(entry.name):
                continue
            if _answers(entry.is_dir):
                real = os.path.realpath(entry.path)
                if real not in above:
                    pending.append((entry.path, name + "/", above | {real}))
            elif _is_image(name):
                # A broken link is listed, and is unreadable later.
                found = entry.stat(follow_symlinks=_answers(entry.is_file))
                yield File(name, found.st_size, found.st_mtime_ns)


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}") from error


def _answers(question: Callable[[], bool]) -> bool:
    """Also False for a link that points to itself in a circle."""
    try:
        return question()
    except OSError:
        return False


def _read_file(path: Path) -> bytes:
    """A file's bytes. Raises OSError, and ValueError for a pipe or a device, which never ends."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ValueError("not a file but a pipe, a device or a folder")
        return stream.read(MAX_BYTES)


def _read_member(archive: zipfile.ZipFile, file: File) -> bytes:
    """A member's bytes, never more than its stated size.

    Raises ValueError for methods other than deflate: zipfile sets no bound on what they unpack to, which
    for bzip2 is a million times as much.
    """
    if archive.getinfo(file.name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("not packed with deflate, zip's usual method")
    with archive.open(file.name) as member:
        return member.read(file.size + 1)  # one byte more, so that the checksum is verified


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, OverflowError, RuntimeError, struct.error) as error:
        raise DataError(f"{path} is not a readable .zip ({error}); copy or download it again") from error


def _zip_files(archive: zipfile.ZipFile, path: Path) -> Iterator[File]:
    known: set[str] = set()
    for info in archive.infolist():
        if info.filename in known:  # only one could be read
            raise DataError(f"{path} has the member {info.filename!r} twice; remove one")
        known.add(info.filename)
        parts = info.filename.replace("\\", "/").split("/")
        if parts[0] == "" or ".." in parts or parts[0].endswith(":"):
            raise DataError(f"{path} has a member that points outside it: {info.filename!r}; not opened")
        if not info.is_dir() and _is_image(info.filename) and not any(map(_is_junk, parts)):
            yield File(info.filename, info.file_size, info.CRC)


def _arrange(files: list[File], split: str, path: Path) -> tuple[list[File], list[int], list[str]]:
    """The split's files, their labels, and the class names of all splits."""
    parts = [file.name.split("/") for file in files]
    depth = _wrapping(parts)
    splits = {names[depth] for names in parts if len(names) > depth + 1} & set(SPLITS)
    if split not in splits and (splits or split != "train"):
        present = f"{splits.pop()}/ but no {split}/" if splits else "no train/ and test/ folders"
        raise DataError(
            f"{path} has {present}: make a folder {split}/ at its top, or choose another data.split"
        )
    if splits:
        files = [file for file, names in zip(files, parts, strict=True) if names[depth] in splits]
        parts = [names for names in parts if names[depth] in splits and len(names) > depth + 1]
    parents = [names[-2] if len(names) > depth + 1 + bool(splits) else "" for names in parts]
    classes = sorted(set(parents) - {""}) if len(set(parents)) > 1 else []
    label = {name: index for index, name in enumerate(classes)}
    chosen = [i for i, names in enumerate(parts) if not splits or names[depth] == split]
    labels = [label.get(parents[i], -1) for i in chosen]
    return [files[i] for i in chosen], labels, [_printable(name) for name in classes]


def _wrapping(parts: list[list[str]]) -> int:
    """How many folders wrap the whole tree, as in a .zip made of one folder."""
    depth = 0
    while all(len(names) > depth + 1 for names in parts):
        tops = {names[depth] for names in parts}
        if len(tops) > 1 or tops <= set(SPLITS):
            break
        depth += 1
    return depth


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _is_junk(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _printable(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()
