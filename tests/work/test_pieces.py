"""The engine of resumable pieces: each once, the earlier ones first, progress in what a piece counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preimage.config import Resources
from preimage.errors import DataError
from preimage.work.pieces import run_pieces

HERE = Resources(backend="local")


class Squares:
    """Squares of numbers, some of which an earlier attempt left."""

    def __init__(self, earlier=(), fails=None):
        self.kept, self.calls, self.fails = {piece: piece**2 for piece in earlier}, [], fails

    def __call__(self, piece, device):
        if piece == self.fails:
            raise DataError("no such piece. Name another.")
        self.calls.append(piece)
        self.kept[piece] = piece**2
        return piece**2

    def finished(self, pieces):
        return {piece: self.kept[piece] for piece in pieces if piece in self.kept}

    def size(self, piece):
        return piece + 1


@given(count=st.integers(0, 8), earlier=st.sets(st.integers(0, 10)))
def test_every_piece_comes_once_and_only_what_is_missing_is_done(count, earlier):
    work, seen = Squares(earlier), []
    found = list(run_pieces(work, range(count), HERE, lambda done, total: seen.append((done, total))))
    assert sorted(found) == [(piece, piece**2) for piece in range(count)]
    assert work.calls == [piece for piece in range(count) if piece not in earlier]
    done = [piece for piece, _ in found[: len(found) - len(work.calls)]]
    assert set(done) == earlier & set(range(count)), "earlier ones first"
    assert len(seen) == 1 + len(work.calls)
    total = sum(range(1, count + 1))
    assert seen[-1] == (total, total)


def test_a_failure_keeps_what_was_done_before_it():
    work = Squares(earlier=[4], fails=2)
    with pytest.raises(DataError, match="no such piece"):
        list(run_pieces(work, range(5), HERE))
    assert work.calls == [0, 1]
    work.fails = None
    assert sorted(run_pieces(work, range(5), HERE)) == [(piece, piece**2) for piece in range(5)]
    assert work.calls == [0, 1, 2, 3]
