"""The .tar, .parquet or .npy files that hold images: those of a folder, one alone, or a pattern such as
`data-{000..012}.tar`; and the split that each belongs to."""

import os
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pyarrow import fs

from preimage.data.sources.base import LeftOut
from preimage.data.sources.file_state import file_state
from preimage.data.sources.listing import LocalTree, RemoteTree
from preimage.data.sources.read_errors import reaching
from preimage.data.sources.splits import choose_split
from preimage.data.sources.unread_files import unread_files
from preimage.errors import DataError
from preimage.storage.address import split_options
from preimage.storage.folder import Folder

_NAMED = 20
"""How many missing files a message names."""
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
_MAX_NAMES = 100_000
OTHERS = "of no split"
"""The files whose names tell of no split."""


class DataFile(NamedTuple):
    """A file, before it is opened."""

    name: str
    """Relative to the root, with forward slashes."""
    size: int
    mtime_ns: int
    inode: int = 0
    """0 on object storage."""

    @property
    def state(self) -> str:
        """Changes when the file is rewritten."""
        return file_state(self.size, self.mtime_ns, self.inode)


def list_files(address: str, suffix: str) -> tuple[Folder, list[DataFile], tuple[LeftOut, ...]]:
    """The root folder; its files with a suffix such as `.tar`, sorted by name; and what else it holds.

    `address` is a folder, one file of any suffix, or a pattern with `*` and braces, as `{a,b}` or
    `{000..012}`: all the names that braces stand for must exist. Raises DataError if no file is found or the
    address cannot be opened.
    """
    if set("*{") & set(split_options(address)[0]) and not _is_there(address):
        root, matches = _matching(address)
        return root, _require_files(root, matches), ()
    with reaching(address):
        root = Folder.at(address)
        info = root.filesystem.get_file_info(root.path)
        if info.type == fs.FileType.File:
            above, name = root.parent, root.name
            inode = os.stat(root.path).st_ino if root.is_local else 0
            return above, [DataFile(name, info.size, info.mtime_ns or 0, inode)], ()
    if info.type == fs.FileType.NotFound:
        raise DataError(f"data.path={address} does not exist")
    found = files_below(root, recursive=True)
    chosen = [file for file in found if file.name.lower().endswith(suffix)]
    others = unread_files(file.name for file in found if not file.name.lower().endswith(suffix))
    if not chosen:
        held = ", ".join(f"{each.count:,} of {each.reason}" for each in others[:5]) or "nothing"
        raise DataError(f"data.path={address} holds no {suffix} files, but {held}; unpack what is compressed")
    return root, _require_files(root, chosen), others


def _require_files(root: Folder, files: list[DataFile]) -> list[DataFile]:
    """Raise DataError if one is a link to nothing, a pipe or a device: a shard must not be missing unsaid."""
    wrong = [each.name for each in files if root.is_local and not os.path.isfile(f"{root.path}/{each.name}")]
    if wrong:
        more = f" and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
        listed = ", ".join(wrong[:_NAMED])
        raise DataError(
            f"{root.uri} has links to nothing, or pipes or devices, in place of files: {listed}{more}. Copy "
            "the files, or remove these"
        )
    return files


def files_below(root: Folder, recursive: bool) -> list[DataFile]:
    """Every file below a folder but hidden ones, sorted by name. Follows links, but not in circles; a link to
    nothing counts as a file."""
    tree = LocalTree(root.path) if root.is_local else RemoteTree(root)
    return sorted(DataFile(*each) for each in tree.files(recursive))


def files_by_split(
    files: Sequence[DataFile], split_name: Callable[[str], str | None], split: str, where: str
) -> tuple[str, dict[str, list[DataFile]]]:
    """The chosen split as the files call it, and the files of each split, those of none under OTHERS.

    split_name: the split that a file's name tells. If none tells, all are of `train`. Raises DataError if
    there is no such split; and if only some names tell, unless `split` is one of those, to the letter.
    """
    splits: dict[str, list[DataFile]] = {}
    for each in files:
        splits.setdefault(split_name(each.name) or OTHERS, []).append(each)
    named = [name for name in splits if name != OTHERS]
    if not named:
        choose_split(["train"], split, f"{where}, whose files' names tell of no split,")
        return OTHERS, splits
    if OTHERS in splits and (split == "train" or split not in named):
        raise DataError(
            f"{where} has the splits {', '.join(named)}, and files that belong to none, such as "
            f"{splits[OTHERS][0].name}: name files or their folders by their split, or give the files of one "
            "alone, as in data.path='FOLDER/train-*'"
        )
    return choose_split(named, split, where), splits


def _matching(address: str) -> tuple[Folder, list[DataFile]]:
    text, options = split_options(address)
    first = min((text.find(mark) for mark in "*{" if mark in text), default=len(text))
    slash = text.rfind("/", 0, first)
    pattern = text[slash + 1 :]
    with reaching(address):
        root = Folder.at((text[: max(slash, 1)] if slash >= 0 else ".") + options)
    files = files_below(root, recursive="/" in pattern)
    chosen: dict[str, DataFile] = {}
    missing: list[str] = []
    by_name = {file.name: file for file in files}
    for each in _expanded(pattern):
        matches = _like(each, files) if "*" in each else [by_name[each]] if each in by_name else []
        chosen |= {file.name: file for file in matches}
        missing += [] if matches else [each]
    if missing or not chosen:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        lacking = ", ".join(missing[:_NAMED]) or pattern
        raise DataError(f"data.path={address}: {root.uri} lacks {lacking}{more}")
    return root, [chosen[name] for name in sorted(chosen)]


def _expanded(pattern: str) -> list[str]:
    """Every name that `{a,b}` and `{000..012}` stand for. Raises DataError for more than 100,000."""
    pending, done = [pattern], []
    while pending:
        each = pending.pop()
        if not (braces := _BRACES.search(each)):
            done.append(each)
            continue
        if bounds := _RANGE.fullmatch(braces[1]):
            numbers = range(int(bounds[1]), min(int(bounds[2]), int(bounds[1]) + _MAX_NAMES) + 1)
            inner = [f"{number:0{len(bounds[1])}d}" for number in numbers]
        else:
            inner = braces[1].split(",")
        pending += [each[: braces.start()] + text + each[braces.end() :] for text in reversed(inner)]
        if len(pending) + len(done) > _MAX_NAMES:
            raise DataError(f"data.path={pattern} stands for over {_MAX_NAMES:,} names; give a folder")
    return done


def _like(pattern: str, files: list[DataFile]) -> list[DataFile]:
    expression = re.compile("[^/]*".join(map(re.escape, pattern.split("*"))))
    return [file for file in files if expression.fullmatch(file.name)]


def _is_there(address: str) -> bool:
    return "://" not in address and os.path.exists(os.path.expanduser(address))
