"""Which folders of a tree of images are splits, and which are classes. Looks at names alone."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from preimage.data.sources.splits import same_split, split_of
from preimage.errors import DataError
from preimage.storage.address import command, inside

DEFAULT = "train"
"""The split where nobody names one. It is all images, if there are no splits."""
_SHOWN = 8

Parts = tuple[str, ...]
"""The folders that lead to an image."""
Below = Mapping[str, Mapping[str, Parts]]
"""By split, its folders by their path, and what of the path is below the split."""


@dataclass(frozen=True)
class Layout:
    """What the folders of a tree are, for one of its splits."""

    labels: Mapping[str, int]
    """The label of the images in each folder of the split; -1 for none."""
    classes: list[str]
    """Class names by label."""
    splits: Mapping[str, int] = field(default_factory=dict)
    """Images by split; empty if there are none."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """The folders that are in no split, and why."""


def arrange(images: Mapping[str, int], split: str, class_level: int, where: str) -> Layout:
    """The layout of a tree.

    images: how many images lie directly in each folder, by its path ("" for the top). class_level: which
    folder below the split names the class; 0 for none. where: the tree in messages. Raises DataError if the
    split is missing or unclear, or no folder is so deep.
    """
    folders = {folder: _parts(folder) for folder in images}
    depth = _wrapping(folders.values(), split)
    tops = Counter[str]()
    for folder, parts in folders.items():
        if len(parts) > depth:
            tops[parts[depth]] += images[folder]
    wrapped = inside(where, *next(iter(folders.values()))[:depth])
    top = _choose(tops, _nested(folders.values(), depth), split, wrapped)
    below = {"": {folder: parts[depth:] for folder, parts in folders.items()}}
    if top is not None:
        below = _below_splits(folders, depth, top)
    labels, classes = _labels(below, top or "", class_level, where)
    _require_no_splits_below([folders[folder] for folder in labels], depth, where)
    known = {folder for each in below.values() for folder in each}
    return Layout(
        labels,
        classes,
        splits={each: tops[each] for each in sorted(below) if each},
        left_out={folder: _why(parts, depth) for folder, parts in folders.items() if folder not in known},
    )


def _parts(folder: str) -> Parts:
    return tuple(folder.replace("\\", "/").split("/")) if folder else ()


def _wrapping(folders: Collection[Parts], split: str) -> int:
    """How many folders wrap the whole tree, as in a .zip made of one folder."""
    depth = 0
    while all(len(parts) > depth for parts in folders):
        tops = {parts[depth] for parts in folders}
        if len(tops) > 1 or split in tops or any(map(split_of, tops)):
            break
        depth += 1
    return depth


def _nested(folders: Iterable[Parts], depth: int) -> set[str]:
    """The top folders that hold two or more folders, as a split holds its classes."""
    inner: dict[str, set[str]] = defaultdict(set)
    for parts in folders:
        if len(parts) > depth + 1:
            inner[parts[depth]].add(parts[depth + 1])
    return {top for top, names in inner.items() if len(names) > 1}


def _choose(tops: Collection[str], nested: set[str], split: str, where: str) -> str | None:
    """The top folder that is the split; None if no top folder is a split. Raises DataError."""
    if split in tops and split != DEFAULT:
        return split
    splits = sorted(top for top in tops if split_of(top))
    others = sorted(set(tops) - set(splits))
    if split == DEFAULT and (not splits or (others and _is_a_class(splits, nested))):
        return None
    if not splits:
        only = f" Its folders are {_names(others)}." if others else ""
        raise DataError(
            f"{where} has no train/ and test/ folders, and no {split}/.{only} Set data.split=train for all "
            "images, or to the name of one folder"
        )
    if others:
        raise DataError(
            f"{where} has {_names(splits)}, named as splits are, beside {_names(others)}: it is unclear what "
            f"belongs to {split}. {_choices([*splits, *others], where)}; or rename or move what is no split"
        )
    found = [top for top in splits if same_split(top, split)]
    if not found:
        raise DataError(
            f"{where} has {_names(splits)} but no {split}/: make that folder at its top, or set "
            + " or ".join(_setting("split", top) for top in splits[:_SHOWN])
        )
    if len(found) > 1:
        raise DataError(f"{where} has {_names(found)}, which all mean {split}. {_choices(found, where)}")
    return found[0]


def _is_a_class(splits: list[str], nested: set[str]) -> bool:
    """Whether a folder such as train/ is a class like the others: it holds no classes, and none is a test."""
    return all(split_of(each) == DEFAULT and each not in nested for each in splits)


def _below_splits(folders: Mapping[str, Parts], depth: int, top: str) -> Below:
    below: dict[str, dict[str, Parts]] = defaultdict(dict)
    for folder, parts in folders.items():
        if len(parts) > depth and (parts[depth] == top or split_of(parts[depth])):
            below[parts[depth]][folder] = parts[depth + 1 :]
    return below


def _why(parts: Parts, depth: int) -> str:
    return f"folder {parts[depth]}/ is no split" if len(parts) > depth else "outside of the splits' folders"


def _labels(below: Below, top: str, class_level: int, where: str) -> tuple[dict[str, int], list[str]]:
    """The label of each folder of a split, and the class names. Raises DataError if no folder is so deep.

    The first level is the first one with two or more folders: a single folder, as in test/images/0.png, tells
    nothing apart.
    """
    deepest = max(map(len, below[top].values()))
    if class_level > max(deepest, 1):
        raise DataError(
            f"data.class_level={class_level}, but the images of {where} lie at most {deepest} folders below "
            f"their split; set 0 to {deepest}"
        )
    level, classes = class_level, _class_names(below, top, class_level)
    while class_level == 1 and len(classes) == 1 and all(len(parts) > level for parts in below[top].values()):
        level, classes = level + 1, _class_names(below, top, level + 1)
    if len(classes) < 2:
        return dict.fromkeys(below[top], -1), []
    label = {name: index for index, name in enumerate(classes)}
    return {folder: label.get(_at(parts, level), -1) for folder, parts in below[top].items()}, classes


def _class_names(below: Below, top: str, level: int) -> list[str]:
    """The folders of a level, in this split and in those that share one: a label means the same in each."""
    by_split = {each: {_at(parts, level) for parts in below[each].values()} - {""} for each in below}
    names = by_split[top]
    while (more := names.union(*(each for each in by_split.values() if each & names))) != names:
        names = more
    return sorted(names)


def _at(parts: Parts, level: int) -> str:
    """The folder of a level, from 1; "" if there is none."""
    return parts[level - 1] if 0 < level <= len(parts) else ""


def _require_no_splits_below(folders: Iterable[Parts], depth: int, where: str) -> None:
    """Raise DataError if splits lie further down, as bottle/train and bottle/test do: they would be mixed."""
    levels: dict[int, dict[str, Parts]] = defaultdict(dict)
    for parts in folders:
        for level in range(depth + 1, len(parts)):
            if split := split_of(parts[level]):
                levels[level][split] = parts[: level + 1]
    for splits in levels.values():
        if len(splits) > 1:
            found = sorted("/".join(parts) for parts in splits.values())
            above = next(parts[:-1] for split, parts in splits.items() if split != DEFAULT)
            raise DataError(
                f"{where} has {_names(found)}, whose images would be mixed: splits belong at the top. Set "
                f"{_setting('path', inside(where, *above))} for those below it, or move them"
            )


def _choices(tops: list[str], where: str) -> str:
    """How to choose one of these folders."""
    shown = [
        _setting("path", inside(where, top)) if top == DEFAULT else _setting("split", top)
        for top in tops[:_SHOWN]
    ]
    return f"Choose with {' or '.join(shown)}"


def _setting(key: str, value: str) -> str:
    """As a shell takes it."""
    return command(f"data.{key}={value}")


def _names(tops: list[str]) -> str:
    shown = [f"{top}/" for top in tops[:_SHOWN]]
    if len(tops) > _SHOWN:
        shown.append(f"{len(tops) - _SHOWN} more")
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
