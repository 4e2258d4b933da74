"""What to say of files that are no images: why they are not read, and what to do instead."""

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from preimage.data.sources.base import LeftOut, printable

_UNPACK = "unpack it, and give its folder"
_TABLE = "set data.source=table for a table that names images"
_ADVICE = {
    ".tar": f"{_UNPACK}; or set data.source=webdataset if it holds the shards of one",
    **dict.fromkeys((".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"), _UNPACK),
    ".parquet": f"set data.source=parquet for images inside of it, or {_TABLE}",
    **dict.fromkeys((".npy", ".npz"), "set data.source=arrays"),
    **dict.fromkeys((".csv", ".tsv", ".jsonl"), _TABLE),
}
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_LABELS = re.compile(r"label|annot|attr|class|categor|caption|bbox|boxes|identit|meta|landmark|target", re.I)
_MAY_HOLD_LABELS = (".json", ".txt", ".xml", ".mat", ".npy", ".npz")
_MOST_SUFFIXES = 20


def advice(path: str, images: Collection[str]) -> str | None:
    """What to do with a file that is given as the path of images; None if nothing is known of its suffix.

    images: the suffixes of image files.
    """
    suffix = os.path.splitext(path)[1].lower()
    return "give the folder that holds it" if suffix in images else _ADVICE.get(suffix)


def left_out(reasons: Iterable[tuple[str, str]]) -> tuple[LeftOut, ...]:
    """Names by the reason why they are not read, the most frequent first. reasons: (reason, name) of each."""
    names: dict[str, list[str]] = defaultdict(list)
    for reason, name in reasons:
        names[reason].append(name)
    found = [
        LeftOut(printable(reason), len(each), tuple(map(printable, sorted(each)[:3])))
        for reason, each in names.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.count, each.reason)))


def unread_files(names: Iterable[str]) -> tuple[LeftOut, ...]:
    """The files beside the images, by kind: labels that nobody asked to read, or suffix."""
    found = left_out((_reason(name), name) for name in names)
    rest = found[_MOST_SUFFIXES:]
    if len(rest) < 2:
        return found
    count, examples = sum(each.count for each in rest), tuple(each.examples[0] for each in rest[:3])
    return *found[:_MOST_SUFFIXES], LeftOut(f"{len(rest)} other suffixes", count, examples)


def _reason(name: str) -> str:
    stem, suffix = os.path.splitext(os.path.basename(name))
    kind = suffix.lower()
    if kind in _TABLES or (kind in _MAY_HOLD_LABELS and _LABELS.search(stem)):
        return "labels files; data.source=table reads .csv, .jsonl and .parquet"
    return f"suffix {suffix}" if suffix else "no suffix"
