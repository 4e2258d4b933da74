"""Sources that are read in order become the same datasets as any other."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.preparing import prepare as preparation
from preimage.data.preparing import shard_plan
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.base import Contents, Row, Sample, Signature
from preimage.errors import DataError
from preimage.storage.folder import Folder


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


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shard_plan, "_FEWEST", 4)
    monkeypatch.setattr(shard_plan, "_SPREAD", 1000)


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


def test_a_moved_source_is_compared_and_not_decoded(make, monkeypatch):
    first = make(Stream([7, 13]))
    with monkeypatch.context() as patch:
        patch.setattr("preimage.data.preparing.decoded.to_pixels", None)
        assert make(Stream([7, 13], state="1")).folder == first.folder
    assert make(Stream([7, 13], state="2", white=1)).identity != first.identity


def test_a_piece_of_another_length_is_refused(make):
    source = Stream([7, 13])
    read = source.read
    source.read = lambda piece: list(read(piece))[:-1]
    with pytest.raises(DataError, match="changed while it was read: 6 images instead of 7"):
        make(source)
