"""What the splits of a dataset are called."""

import re

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
