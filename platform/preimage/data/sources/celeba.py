"""CelebA from its own files, with the 40 attributes and the identity of each face as columns."""

from collections import Counter
from collections.abc import Container, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from preimage.data.config import DataConfig
from preimage.data.sources.base import Content, Contents, Row, Signature
from preimage.data.sources.file_state import signed_paths
from preimage.data.sources.named_set import NamedSet
from preimage.data.sources.splits import choose_split
from preimage.errors import DataError

_LAYOUT = (
    "the folder img_align_celeba/ and the files list_eval_partition.txt, list_attr_celeba.txt and, for the "
    "identities, identity_CelebA.txt, from http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)
_PARTITION = "list_eval_partition.txt"
_ATTRIBUTES = "list_attr_celeba.txt"
_IDENTITIES = "identity_CelebA.txt"
_SPLITS = {"0": "train", "1": "validation", "2": "test"}
_ALL = "all"


class CelebaSource:
    """Faces of 178 x 218 pixels in the order of list_eval_partition.txt; the split `all` has all of them.

    Columns: each attribute under the file's own name, such as Smiling, 0 or 1; `identity` if
    identity_CelebA.txt is there. Source: Liu et al., Deep learning face attributes in the wild (2015).
    """

    def __init__(self, folder: Path, split: str) -> None:
        """Raises DataError for a split that there is not, and for files that are missing or invalid."""
        wanted = choose_split((*_SPLITS.values(), _ALL), split, "celeba")
        self._folder, self._split, self._names = folder, wanted, []
        for each in ("img_align_celeba", _ATTRIBUTES):
            if not (folder / each).exists():
                raise self._invalid(each, "it is missing")
        counts: Counter[str] = Counter()
        for name, part in self._pairs(_PARTITION):
            counts[_SPLITS.get(part, part)] += 1
            if wanted in (_SPLITS.get(part), _ALL):
                self._names.append(name)
        self.contents = Contents(splits=counts)

    @property
    def classes(self) -> list[str]:
        return []

    @property
    def columns(self) -> pa.Schema:
        named = [pa.field(name, pa.int8()) for name in self._attributes]
        known = (self._folder / _IDENTITIES).exists()
        return pa.schema([*named, pa.field("identity", pa.int32())] if known else named)

    @property
    def signature(self) -> Signature:
        return self._signature

    @cached_property
    def _signature(self) -> Signature:
        lists = (self._folder / name for name in (_PARTITION, _ATTRIBUTES, _IDENTITIES))
        paths = [*filter(Path.exists, lists), *map(self._path, self._names)]
        return signed_paths(self._folder, paths, "celeba", self._split)

    def __len__(self) -> int:
        return len(self._names)

    def row(self, index: int) -> Row:
        name = self._names[index]
        columns = dict(zip(self._attributes, self._values[name], strict=True))
        if self._identities:
            columns["identity"] = self._identities[name]
        return Row(f"img_align_celeba/{name}", columns=columns)

    def load(self, index: int) -> Content:
        return self._path(self._names[index]).read_bytes()

    def state(self, indices: np.ndarray) -> str:
        paths = (self._path(self._names[index]) for index in indices.tolist())
        return signed_paths(self._folder, paths).state

    @cached_property
    def _attributes(self) -> list[str]:
        """Their names: the second line of their file, after the number of images."""
        return next(islice(self._lines(_ATTRIBUTES), 1, None), "").split()

    @cached_property
    def _values(self) -> dict[str, bytes]:
        """By image, 0 or 1 for each attribute."""
        known, count = {}, len(self._attributes)
        for line in islice(self._lines(_ATTRIBUTES), 2, None):
            image, *values = line.split()
            if len(values) != count or not {"-1", "1"}.issuperset(values):
                problem = f"{line[:60]!r} is not an image with -1 or 1 for each of {count} attributes"
                raise self._invalid(_ATTRIBUTES, problem)
            known[image] = bytes(value == "1" for value in values)
        self._require_all(known, _ATTRIBUTES)
        return known

    @cached_property
    def _identities(self) -> dict[str, int]:
        """By image; empty without their file."""
        if not (self._folder / _IDENTITIES).exists():
            return {}
        known = {image: int(person) for image, person in self._pairs(_IDENTITIES)}
        self._require_all(known, _IDENTITIES)
        return known

    def _require_all(self, known: Container[str], file: str) -> None:
        if missing := [name for name in self._names if name not in known]:
            raise self._invalid(file, f"it lacks {len(missing):,} images, such as {missing[0]}")

    def _pairs(self, file: str) -> Iterator[tuple[str, str]]:
        """An image and a number a line."""
        for line in self._lines(file):
            image, number = (*line.split(), "", "")[:2]
            if not number.isdecimal():
                raise self._invalid(file, f"{line[:60]!r} is not an image and a number")
            yield image, number

    def _lines(self, file: str) -> Iterator[str]:
        """The lines of a file that are not empty."""
        try:
            with open(self._folder / file, encoding="utf-8") as lines:
                yield from (line.strip() for line in lines if line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise self._invalid(file, str(error)) from error

    def _invalid(self, file: str, problem: str) -> DataError:
        return DataError(f"cannot read {self._folder}/{file}: {problem}. Expected: {_LAYOUT}.")

    def _path(self, name: str) -> Path:
        return self._folder / "img_align_celeba" / name


def _own(path: Path, config: DataConfig) -> Path | None:
    """The folder of CelebA's own files: the given one, or celeba/ in it."""
    return next((each for each in (path, path / "celeba") if (each / _PARTITION).exists()), None)


CELEBA = NamedSet("celeba", _LAYOUT, _own, lambda folder, config: CelebaSource(folder, config.split)).kind(
    "162,770 + 19,962 faces, 202,599 with split=all, 178 x 218 colour, no classes; 40 attributes and the "
    "identity as columns; files downloaded by hand",
    whole=_ALL,
    classes=False,
)
