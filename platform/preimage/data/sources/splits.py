"""What the splits of a dataset are called."""

import re
from collections.abc import Iterable

from preimage.errors import DataError

SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval", "evaluation"),
    "test": ("test", "testing"),
}
"""The usual names of a split's folder or files, in lower case."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def split_of(name: str) -> str | None:
    """The split that a name such as `Training`, `seg_train`, `train2017` or `testA` means, or None."""
    words = [word.lower() for word in _WORD.findall(name)]
    for split, spellings in SPELLINGS.items():
        if words and (words[-1] in spellings or words[0] in spellings):
            return split
    return None


def same_split(one: str, other: str) -> bool:
    """Whether two names mean the same split, such as `val` and `valid`."""
    return one == other or (split_of(one) or one) == (split_of(other) or other)


def choose_split(present: Iterable[str], split: str, where: str) -> str:
    """The one of these splits that is asked for: by its very name, or by another spelling of it.

    Raises DataError if there is none or several, and names the choices.
    """
    every = list(present)
    found = [split] if split in every else [each for each in every if same_split(each, split)]
    if len(found) != 1:
        what = "several splits that mean" if found else "no split"
        choices = " or ".join((found or every)[:20])
        raise DataError(f"{where} has {what} {split}: set data.split to {choices or 'train'}")
    return found[0]
