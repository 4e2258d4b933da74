"""What the splits of a dataset are called."""

SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""The usual names of a split's folder or files, in lower case."""


def split_of(name: str) -> str | None:
    """The split that a name such as `Training`, `seg_train` or `train` means, or None."""
    words = name.lower().replace("-", "_").split("_")
    for split, spellings in SPELLINGS.items():
        if words[-1] in spellings or words[0] in spellings:
            return split
    return None


def same_split(one: str, other: str) -> bool:
    """Whether two names mean the same split, such as `val` and `valid`."""
    return one == other or (split_of(one) or one) == (split_of(other) or other)
