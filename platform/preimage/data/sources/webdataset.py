"""WebDataset: samples of members with one key in .tar shards, in a folder, or by a pattern."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow as pa

from preimage.data.config import DataConfig, SourceKind
from preimage.data.sources.base import NO_COLUMNS, Contents, LeftOut, Row, Sample, printable
from preimage.data.sources.columns import own_columns
from preimage.data.sources.data_files import files_by_split, list_files
from preimage.data.sources.file_state import signed
from preimage.data.sources.labels import label_table
from preimage.data.sources.splits import split_of
from preimage.data.sources.tar_index import MAX_COLUMNS, TarIndex, index_of, open_tar
from preimage.data.sources.tar_members import TarReader
from preimage.data.sources.tar_samples import Reading, TarSample, samples
from preimage.errors import DataError
from preimage.storage.folder import digest

_BLOCK = 1 << 20
_CONNECTIONS = 16
_NUMBER = re.compile(r"([-_.]?\d+)?([-_]of[-_]\d+)?$")
_TYPES = {
    ("bool",): pa.bool_(),
    ("int",): pa.int64(),
    ("float",): pa.float64(),
    ("float", "int"): pa.float64(),
    ("str",): pa.string(),
    ("caption",): pa.string(),
}


class WebDatasetSource:
    """The images of one split, shard by shard in the order of their names.

    The label is the text or number in `.cls`, the scalars of `.json` and the text of `.txt` are the user's
    columns. It can be pickled. Opening it reads the headers of all splits, once on a machine.
    """

    def __init__(self, config: DataConfig) -> None:
        """Raises DataError for a damaged or unclear shard, and if there is no image."""
        where = config.path or ""
        self._root, files, beside = list_files(where, ".tar")
        self._reading = Reading(config.image_column, config.label_column)
        chosen, splits = files_by_split(files, partial(_split_name, config.split), config.split, where)
        with ThreadPoolExecutor(1 if self._root.is_local else _CONNECTIONS) as pool:
            read = partial(index_of, self._root, reading=self._reading)
            every = {split: list(pool.map(read, found)) for split, found in splits.items()}
        texts = (text for found in every.values() for index in found for text in index.labels)
        self.classes, self._labels = label_table(texts, where)
        self._files, indexes = splits[chosen], every[chosen]
        self._places = [(i, start) for i, index in enumerate(indexes) for start in index.starts]
        self.pieces: Sequence[int] = [count for index in indexes for count in index.counts]
        self._require_images(indexes, where, config)
        self.columns, others = _columns(indexes)
        counts = {split: sum(sum(index.counts) for index in found) for split, found in every.items()}
        self.contents = Contents(
            splits=counts if len(counts) > 1 else {},
            class_counts=tuple(self._class_counts(indexes)) if self.classes else None,
            left_out=(*beside, *self._left_out(indexes), *others),
        )
        named = ((file.name, file.size, file.state) for file in self._files)
        self.signature = signed(named, *(index.digest for index in indexes))

    def __len__(self) -> int:
        return sum(self.pieces)

    def read(self, piece: int) -> Iterator[Sample]:
        shard, start = self._places[piece]
        file = self._files[shard]
        left = self.pieces[piece]
        with open_tar(self._root, file.name, _BLOCK) as tar:
            for sample in samples(tar, start, self._reading.everything):
                suffix = self._reading.image_of(sample, tar.name)
                if suffix is not None:
                    yield self._sample(tar, file.name, sample, suffix)
                    left -= 1
                if left == 0:
                    return
        raise DataError(f"{self._root / file.name} changed while it was read; run again")

    def piece_state(self, piece: int) -> str:
        file = self._files[self._places[piece][0]]
        return digest(f"{file.name}\0{file.state}".encode(errors="surrogateescape"))

    def _sample(self, tar: TarReader, shard: str, sample: TarSample, suffix: str) -> Sample:
        image = sample.members[suffix]
        text, own = self._reading.values_of(sample, tar.name)
        if text not in self._labels:
            raise DataError(f"{tar.name} changed while it was read; run again")
        columns = {name: own.get(name) for name in self.columns.names}
        row = Row(printable(f"{shard}/{image.name}"), self._labels[text], columns)
        content = sample.data.get(suffix)
        return Sample(row, content, "" if content is not None else f"a file of {image.size:,} bytes")

    def _class_counts(self, indexes: Iterable[TarIndex]) -> list[int]:
        counts = [0] * len(self.classes)
        for index in indexes:
            for text, count in index.labels.items():
                if (label := self._labels[text]) >= 0:
                    counts[label] += count
        return counts

    def _left_out(self, indexes: Sequence[TarIndex]) -> Iterator[LeftOut]:
        suffixes = sum((Counter(index.suffixes) for index in indexes), Counter[str]())
        for suffix, count in sorted(suffixes.items()):
            if not self._reading.is_text(suffix):
                yield LeftOut(f"suffix .{suffix}", count)
        reasons: dict[str, LeftOut] = {}
        for index, file in zip(indexes, self._files, strict=True):
            for reason, (count, first) in index.skipped.items():
                before = reasons.get(reason, LeftOut(reason, 0))
                names = (*before.examples, *(printable(f"{file.name}/{name}") for name in first))[:3]
                reasons[reason] = LeftOut(reason, before.count + count, names)
        yield from reasons.values()
        missing = sum(index.labels.get("", 0) for index in indexes)
        if missing and self.classes:
            yield LeftOut("labels that are missing; their images have label -1", missing)

    def _require_images(self, indexes: Sequence[TarIndex], where: str, config: DataConfig) -> None:
        if not self.pieces:
            reasons = [f"{n:,} {reason}" for index in indexes for reason, (n, _) in index.skipped.items()]
            reason = "; ".join(reasons[:3]) or "its .tar files are empty"
            raise DataError(f"{where} holds no images of split {config.split} ({reason})")
        if config.label_column and not self.classes:
            keys = {f"json.{key}" for index in indexes for key in index.columns if key != "txt"}
            choices = sorted({suffix for index in indexes for suffix in index.suffixes} | keys)
            raise DataError(
                f"{where}: no sample has data.label_column={config.label_column}; there are "
                f"{', '.join(choices[:20]) or 'images alone'}"
            )


def _split_name(split: str, name: str) -> str | None:
    """The split that a folder, or the file's name without its number, tells: `val/01.tar`, `train-0001.tar`,
    or `split` exactly."""
    *folders, base = name.split("/")
    parts = [*folders, _NUMBER.sub("", base.split(".")[0])]
    return split if split in parts else next(filter(None, map(split_of, parts)), None)


def _columns(indexes: Sequence[TarIndex]) -> tuple[pa.Schema, tuple[LeftOut, ...]]:
    """The columns whose values are of one type throughout, and the others."""
    kinds: dict[str, set[str]] = {}
    for index in indexes:
        for name, found in index.columns.items():
            kinds.setdefault(name, set()).update(found)
    if len(kinds) > MAX_COLUMNS:
        return NO_COLUMNS, (LeftOut(f"keys of .json members, more than {MAX_COLUMNS}", len(kinds)),)
    no_type = "keys of .json without one type of number or text"
    return own_columns({n: _TYPES.get(tuple(sorted(kinds[n])), no_type) for n in sorted(kinds) if kinds[n]})


WEBDATASET = SourceKind(
    "your own .tar shards, as WebDataset writes them: a folder, a .tar or a pattern",
    WebDatasetSource,
    path="pattern",
    splits=None,
    columns=True,
)
