"""Who holds what another process may need does not wait for that process's claim."""

import pytest

from preimage.errors import ClaimTaken, StorageError, error_of, plain
from preimage.storage.claims import claimed, is_unclaimed, without_waiting


def test_where_a_process_must_not_wait_it_is_told_what_is_taken(folder):
    made = folder / "made"
    is_free = is_unclaimed(made)
    with claimed(made), without_waiting():
        with pytest.raises(ClaimTaken, match="made is being made by process") as told, claimed(made):
            pass
        assert told.value.address == made.uri
        assert isinstance(error_of(plain(told.value)), StorageError)
        assert not is_free()
    assert is_free()
    with without_waiting(), claimed(made):
        assert not is_free(), "free folders are claimed as ever"


def test_a_brief_claim_is_waited_for_even_there(folder, monkeypatch):
    first = claimed(folder)
    first.__enter__()
    monkeypatch.setattr(
        type(folder.storage.clock), "sleep", lambda clock, seconds: first.__exit__(None, None, None)
    )
    with without_waiting(), claimed(folder, brief=True):
        pass
