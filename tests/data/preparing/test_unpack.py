"""Sources that are read in order become the same datasets as any other."""

import json
import os
from collections.abc import Iterator
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.preparing import prepare as preparation
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.base import Contents, Row, Sample, Signature
from preimage.errors import DataError
from preimage.storage.folder import Folder
from preimage.storage.local import Posix


class Stream:
    """Images in pieces: 8 x 8 arrays that hold their own number; some cannot be read."""

    columns = pa.schema([("angle", pa.float32())])
    contents = Contents()
    classes = ("even", "odd")

    def __init__(
        self, pieces: list[int], bad: tuple[int, ...] = (), state: str = "0", white: int = 0
    ) -> None:
        self.pieces, self.bad, self._state, self.white = pieces, bad, state, white
        self.read_pieces: list[int] = []

    def __len__(self) -> int:
        return sum(self.pieces)

    @property
    def signature(self) -> Signature:
        return Signature(str(self.pieces), self._state)

    def piece_state(self, piece: int) -> str:
        return self._state

    def read(self, piece: int) -> Iterator[Sample]:
        self.read_pieces.append(piece)
        first = sum(self.pieces[:piece])
        for number in range(first, first + self.pieces[piece]):
            row = Row(f"stream/{number}", number % 2, {"angle": number / 2})
            if number in self.bad:
                yield Sample(row, b"not an image")
            else:
                yield Sample(row, np.full((8, 8), number + self.white, np.uint8))


@pytest.fixture
def make(tmp_path):
    def make(source: Stream, name: str = "datasets", **settings) -> Dataset:
        data = DataConfig(source="webdataset", path=str(tmp_path), size=8, channels=1, **settings)
        return prepare(data, Folder.at(tmp_path / name), backend="local", open_source=lambda _: source)

    return make


@pytest.mark.parametrize("count", [None, 9])
@pytest.mark.parametrize("pieces", [[20], [7, 13], [1] * 20])
def test_each_image_once_with_its_own_pixels_label_and_columns(make, pieces, count):
    dataset = make(Stream(pieces), max_images=count)
    rows = dataset.read(0, dataset.count)
    assert dataset.count == (count or 20)
    assert len(set(rows.image_id.tolist())) == dataset.count
    for image_id, pixels, label in zip(*rows, strict=True):
        assert (pixels == image_id).all()
        assert label == image_id % 2
    table = pq.read_table(dataset.folder.local / "images.parquet")
    ids = sorted(rows.image_id.tolist())
    assert table.to_pydict() == {
        "image_id": ids,
        "name": [f"stream/{each}" for each in ids],
        "label": [each % 2 for each in ids],
        "angle": [each / 2 for each in ids],
    }
    assert not dataset.folder.exists("unpacked")


def test_pieces_change_neither_the_pixels_nor_the_identity(make):
    one, other = make(Stream([20]), "one"), make(Stream([7, 13]), "other")
    assert one.fingerprint == other.fingerprint
    assert one.identity == other.identity


def test_what_cannot_be_decoded_is_skipped_counted_and_listed(make):
    with pytest.raises(DataError, match=r"1 of 20 images cannot be read:\n  stream/11: "):
        make(Stream([7, 13], bad=(11,)))
    dataset = make(Stream([7, 13], bad=(11,)), on_error="skip")
    assert [(each["image_id"], each["name"]) for each in dataset.skipped] == [(11, "stream/11")]
    assert 11 not in dataset.read(0, 19).image_id.tolist()


def test_a_killed_preparation_reads_no_finished_piece_again(make, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    whole = make(Stream([7, 7, 6]), "whole")
    source = Stream([7, 7, 6])
    read = source.read
    source.read = lambda piece: killed() if piece == 2 else read(piece)
    with pytest.raises(Killed):
        make(source)
    again = Stream([7, 7, 6])
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "ShardWriter", killed)
        with pytest.raises(Killed):
            make(again)
        assert again.read_pieces == [2]
    assert make(last := Stream([7, 7, 6])).fingerprint == whole.fingerprint
    assert last.read_pieces == []


def test_killed_after_any_write_it_ends_as_if_nothing_had_been(make, monkeypatch):
    """Between two writes nothing changes on the disk; after the last, the manifest's, files are deleted."""

    class Killed(BaseException):
        pass

    def killed_after(last: int, name: str) -> bool:
        writes = count(1)

        def replace(self: Posix, path: str, new: str) -> None:
            whole_file(self, path, new)
            if next(writes) == last:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Posix, "replace", replace)
            try:
                make(Stream([4, 3], bad=(3,)), name, on_error="skip")
            except Killed:
                return True
        return False

    whole_file = Posix.replace
    whole = make(Stream([4, 3], bad=(3,)), "whole", on_error="skip")
    last = 0
    for last in count(1):
        if not killed_after(last, f"killed-{last}"):
            break
        dataset = make(again := Stream([4, 3], bad=(3,)), f"killed-{last}", on_error="skip")
        assert dataset.manifest == whole.manifest
        assert not dataset.folder.exists("unpacked")
        assert again.read_pieces == [piece for piece in (0, 1) if last < 3 * piece + 3]
    assert last == 2 * 3 + 2 * 2 + 2 + 2


def test_an_unpacked_piece_that_was_cut_is_unpacked_again(make, monkeypatch):
    whole = make(Stream([7, 13]), "whole")
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "ShardWriter", None)
        with pytest.raises(TypeError):
            make(Stream([7, 13]))
    (pixels,) = whole.folder.parent.parent.local.glob("datasets/*/unpacked/000001.pixels")
    os.truncate(pixels, 13 * 68)
    assert make(again := Stream([7, 13])).fingerprint == whole.fingerprint
    assert again.read_pieces == [1]


def test_a_moved_source_is_compared_and_not_decoded(make, monkeypatch):
    first = make(Stream([7, 13]))
    with monkeypatch.context() as patch:
        patch.setattr("preimage.data.preparing.decoded.to_pixels", None)
        assert make(Stream([7, 13], state="1")).folder == first.folder
    other = make(Stream([7, 13], state="2", white=1))
    assert other.identity != first.identity
    assert make(again := Stream([7, 13], state="3", white=1)).folder == other.folder
    assert again.read_pieces == [0, 1], "once, though there are two datasets to compare with"


@pytest.mark.parametrize(
    "kept", [b"", b"[]", b"null", b'{"key": 1}', b'{"key": "K", "dataset": "gone", "identity": "I"}']
)
def test_a_damaged_note_of_what_was_compared_is_made_again(make, kept):
    first = make(Stream([7, 13]))
    notes = set(first.folder.parent.local.glob("*/same_as.json"))
    make(Stream([7, 13], state="1"))
    (note,) = set(first.folder.parent.local.glob("*/same_as.json")) - notes
    whole = note.read_bytes()
    for name in ("key", "identity"):
        kept = kept.replace(name[0].upper().encode(), json.loads(whole)[name].encode())
    note.write_bytes(kept)
    assert make(again := Stream([7, 13], state="1")).folder == first.folder
    assert again.read_pieces == [0, 1]
    assert note.read_bytes() == whole


def test_a_piece_of_another_length_is_refused(make):
    source = Stream([7, 13])
    read = source.read
    source.read = lambda piece: list(read(piece))[:-1]
    with pytest.raises(DataError, match="changed while it was read: 6 images instead of 7"):
        make(source)
