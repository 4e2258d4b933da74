"""Which Parquet files belong to which split, by the names that Hugging Face gives them."""

import re
from collections.abc import Sequence
from functools import partial

from preimage.data.sources.base import LeftOut
from preimage.data.sources.data_files import OTHERS, DataFile, files_by_split
from preimage.data.sources.splits import split_of
from preimage.errors import DataError

SUFFIX = ".parquet"
_SHARD = re.compile(r"(.+)-(\d+)-of-(\d+)(-[0-9a-f]+)?")
"""How Hugging Face names the shards of a split."""
_NUMBERED = re.compile(r"(.+?)[-_.]\d+")
"""How others do: train_0, train_1."""


def files_of_split(
    files: Sequence[DataFile], split: str, where: str
) -> tuple[list[DataFile], dict[str, list[DataFile]]]:
    """The files of a split, and those of each split.

    Raises DataError where it is unclear, or if there is no such split, and names the choices.
    """
    chosen, splits = files_by_split(files, partial(_split_name, split), split, where)
    if chosen != OTHERS:
        _require_one_place(splits[chosen], chosen, where)
    return splits[chosen], splits


def missing_shards(files: Sequence[DataFile]) -> list[LeftOut]:
    """The shards whose number is missing beside the others, as after an incomplete download."""
    numbers: dict[str, set[int]] = {}
    counts: dict[str, int] = {}
    for each in files:
        stem = each.name.removesuffix(SUFFIX)
        if shard := _SHARD.fullmatch(stem):
            numbers.setdefault(shard[1], set()).add(int(shard[2]))
            counts[shard[1]] = int(shard[3])
    absent = {name: counts[name] - len(found) for name, found in numbers.items() if counts[name] > len(found)}
    if not absent:
        return []
    return [
        LeftOut(
            "shards that their names promise and that are not here", sum(absent.values()), tuple(absent)[:3]
        )
    ]


def _names(name: str) -> list[str]:
    """What may name a split: the file's stem without its number, then the folders, the nearest first."""
    *folders, file = name.removesuffix(SUFFIX).split("/")
    numbered = _SHARD.fullmatch(file) or _NUMBERED.fullmatch(file)
    return [numbered[1] if numbered else file, *reversed(folders)]


def _split_name(split: str, name: str) -> str | None:
    names = _names(name)
    if split_of(split) is None and split in names:
        return split
    usual = next((each for each in names if split_of(each)), None)
    numbered = _SHARD.fullmatch(name.removesuffix(SUFFIX).rsplit("/", 1)[-1])
    return usual or (names[0] if numbered else None)


def _require_one_place(files: Sequence[DataFile], split: str, where: str) -> None:
    """Raise DataError if one split lies in several folders, as where a dataset has several configurations."""
    places = {_place(each.name, split) or "." for each in files}
    if len(places) > 1:
        choices = ", ".join(sorted(places)[:20])
        raise DataError(f"{where}: {split} lies in several folders: set data.path to one of {choices}")


def _place(name: str, split: str) -> str:
    """The folder of the file or folder that names a split."""
    names = _names(name)
    return "/".join(reversed(names[names.index(split) + 1 :]))
