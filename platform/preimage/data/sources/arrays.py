"""Images in NumPy's .npy and .npz: arrays (N, H, W), (N, H, W, C) or (N, C, H, W) of uint8 or uint16."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from preimage.data.config import DataConfig, SourceKind
from preimage.data.sources.array_images import image_axes, require_integers
from preimage.data.sources.base import Contents, LeftOut, Row, Signature, printable
from preimage.data.sources.columns import own_columns
from preimage.data.sources.data_files import files_below, list_files
from preimage.data.sources.file_state import signed
from preimage.data.sources.labels import count_labels, label_table
from preimage.data.sources.npy import StoredArray, open_arrays
from preimage.data.sources.splits import choose_split, same_split, split_of
from preimage.errors import DataError
from preimage.storage.folder import digest

IMAGES = ("images", "image", "x", "data", "arr_0")
LABELS = ("labels", "label", "y", "targets", "target")
"""What arrays are called, apart from a split such as `x_train` or `train_images`."""


class ArraysSource:
    """One split's images, in the order of the array. A MapSource.

    A split is told by an array's name, as `x_train` or `test_images`; labels are beside them. Other arrays of
    one value an image are the user's columns.
    """

    def __init__(self, config: DataConfig) -> None:
        """Raises DataError if it is unclear which array holds images, or it holds none that can be read."""
        where = config.path or ""
        arrays, beside = _open(config)
        splits = _by_split(arrays, config.split, where)
        group = dict(splits[config.split])
        image, label = _roles(group, config, where)
        self._stored = group.pop(image)
        self._axes = image_axes(self._stored, where)
        require_integers(self._stored, where)
        stored = group.pop(label) if label is not None else None
        every = [each[label] for each in splits.values() if label in each] if label is not None else []
        self.classes, number = label_table(set().union(*map(_texts, every)), where)
        no_labels = np.broadcast_to(np.int32(-1), len(self))
        self._labels = _labels(stored, number, len(self), where) if stored else no_labels
        self.columns, others = own_columns(dict(_kinds(group, len(self))))
        self._own = {name: group[name].read().reshape(-1) for name in self.columns.names}
        counts = {
            name: each[image].shape[0] for name, each in splits.items() if image in each and each[image].shape
        }
        self.contents = Contents(
            splits=counts if len(counts) > 1 else {},
            class_counts=count_labels(self._labels, self.classes) if stored else None,
            left_out=(*beside, *others),
        )
        self.signature = _signature(self._stored, stored)

    def __len__(self) -> int:
        return self._stored.shape[0]

    def row(self, index: int) -> Row:
        columns = {name: _value(values[index]) for name, values in self._own.items()}
        return Row(f"{self._stored.name}/{index}", int(self._labels[index]), columns)

    def load(self, index: int) -> np.ndarray:
        """(H, W) or (H, W, C), uint8 or uint16. Raises DataError if the array is damaged."""
        image = self._images[index].transpose(self._axes)
        image = image[..., 0] if image.shape[2:] == (1,) else image
        return np.ascontiguousarray(image, image.dtype.newbyteorder("="))

    def state(self, indices: np.ndarray) -> str:
        return self.signature.state

    @cached_property
    def _images(self) -> np.ndarray:
        return self._stored.read()


def _open(config: DataConfig) -> tuple[dict[str, StoredArray], tuple[LeftOut, ...]]:
    """The arrays of the file; of a .npy also the labels beside it that the config names."""
    root, files, _ = list_files(config.path or "", ".npy")
    if len(files) != 1 or not files[0].name.lower().endswith((".npy", ".npz")):
        raise DataError(f"data.path={config.path} is not one .npy or .npz file; give one")
    arrays = open_arrays(root, files[0])
    if files[0].name.lower().endswith(".npz"):
        return arrays, ()
    near = {each.name: each for each in files_below(root, recursive=False) if each.name != files[0].name}
    beside = [printable(name) for name in near if name.lower().endswith(".npy")]
    if (label := config.label_column) is not None:
        if label not in beside:
            raise DataError(
                f"data.label_column={label} is no .npy file beside {files[0].name}; there are "
                f"{', '.join(beside[:20]) or 'none'}"
            )
        beside.remove(label)
        arrays |= open_arrays(root, near[label])
    others = LeftOut("other .npy files; data.label_column=NAME reads labels", len(beside), tuple(beside[:3]))
    return arrays, (others,) if beside else ()


def _by_split(arrays: dict[str, StoredArray], split: str, where: str) -> dict[str, dict[str, StoredArray]]:
    """Each split's arrays by their names without it; the chosen one has also those of no split."""
    groups: dict[str, dict[str, StoredArray]] = {}
    for name, each in arrays.items():
        found, role = _split_and_role(name.removesuffix(".npy"), split)
        group = groups.setdefault(found, {})
        if role in group:
            raise DataError(f"{where}: {group[role].name} and {name} have one meaning; remove one")
        group[role] = each
    present = [name for name in groups if name and any(len(each.shape) > 2 for each in groups[name].values())]
    if not present:
        choose_split(["train"], split, f"{where}, whose arrays' names tell of no split as x_train does,")
        return {split: {name.removesuffix(".npy"): each for name, each in arrays.items()}}
    choose_split(present, split, where)
    return {name: groups[name] for name in present} | {split: groups.get("", {}) | groups[split]}


def _split_and_role(name: str, split: str) -> tuple[str, str]:
    """`train` and `x` for `x_train`; no split where the name has none."""
    words = name.replace("-", "_").split("_")
    for word, rest in ((words[-1], words[:-1]), (words[0], words[1:])):
        if word == split or split_of(word):
            return split if same_split(word, split) else split_of(word) or word, "_".join(rest)
    return "", name


def _roles(group: dict[str, StoredArray], config: DataConfig, where: str) -> tuple[str, str | None]:
    """Which arrays hold the images and the labels. Raises DataError where it is unclear."""
    listed = ", ".join(each.text for each in list(group.values())[:20])
    shaped = [role for role, each in group.items() if len(each.shape) > 2 and not each.dtype.hasobject]
    shaped = shaped or [role for role, each in group.items() if each.dtype.hasobject]  # to say what they are
    named = [role for name in IMAGES for role in group if role.lower() == name]
    if config.image_column is not None:
        image = _named(group, config.image_column)
    else:
        image = shaped[0] if len(shaped) == 1 else next((role for role in named if role in shaped), None)
    if image is None:
        raise DataError(
            f"{where}: it is unclear which array holds the images: set data.image_column to one of shape "
            f"(N, H, W), (N, H, W, C) or (N, C, H, W); there are {listed}"
        )
    if config.label_column is None:
        usual = [role for name in LABELS for role in group if role.lower() == name and role != image]
        count = group[image].shape[:1]  # an array of so many rows may hold something else
        return image, next((r for r in usual if _holds_labels(group[r]) or group[r].shape[:1] != count), None)
    if (label := _named(group, config.label_column)) in (None, image):
        raise DataError(f"{where} has no labels called {config.label_column}; there are {listed}")
    return image, label


def _named(group: dict[str, StoredArray], name: str) -> str | None:
    return next((role for role, each in group.items() if name in (role, each.name)), None)


def _labels(array: StoredArray, number: dict[str, int], count: int, where: str) -> np.ndarray:
    """Labels (N,) int32 by their texts. Raises DataError if they do not match the images."""
    if array.shape[:1] != (count,) or not _holds_labels(array):
        raise DataError(
            f"{where}: {array.text} does not match {count:,} images: labels are one whole number or text for "
            "each (of one-hot labels save argmax(axis=1))"
        )
    values, index = np.unique(array.read().reshape(-1), return_inverse=True)
    return np.array([number[_text(each)] for each in values], np.int32)[index]


def _holds_labels(array: StoredArray) -> bool:
    """Whether there is one whole number or text in each row."""
    return len(array.shape) > 0 and array.shape[1:] in ((), (1,)) and array.dtype.kind in "biuUS"


def _kinds(group: dict[str, StoredArray], count: int) -> Iterator[tuple[str, pa.DataType | str]]:
    """The type of each column of the user's, or why an array is none."""
    for name, array in sorted(group.items()):
        if kind := _column_type(array, count):
            yield name, kind
        else:
            yield array.text, "arrays that hold no number or text for each image"


def _column_type(array: StoredArray, count: int) -> pa.DataType | None:
    """The type of a column of the user's, or None if the array holds no number or text for each image."""
    if array.shape not in ((count,), (count, 1)) or array.dtype.kind not in "biufUS":
        return None
    if array.dtype.kind in "US":
        return pa.string()
    kind = array.dtype.newbyteorder("=")
    if kind.itemsize > 8:
        return None
    return pa.from_numpy_dtype(np.dtype(np.float32) if kind == np.float16 else kind)


def _texts(array: StoredArray) -> set[str]:
    return {_text(value) for value in np.unique(array.read())} if _holds_labels(array) else set()


def _text(value: np.generic) -> str:
    return str(_value(value))


def _value(value: np.generic) -> Any:
    """As Python has it."""
    plain = value.item()
    if isinstance(plain, bytes):
        return plain.decode(errors="backslashreplace")
    return printable(plain) if isinstance(plain, str) else plain


def _signature(images: StoredArray, labels: StoredArray | None) -> Signature:
    used = [images, labels] if labels else [images]
    values = digest(labels.read().tobytes()) if labels else ""
    return signed(((each.text, 0, each.state) for each in used), values)


ARRAYS = SourceKind(
    "your own NumPy arrays (N, H, W), (N, H, W, C) or (N, C, H, W) of 8 or 16 bits: a .npy or .npz",
    ArraysSource,
    path="pattern",
    splits=None,
    columns=True,
)
