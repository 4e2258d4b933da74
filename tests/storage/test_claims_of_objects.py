"""Claims on an object store: what holders, workers and users see of them."""

import pickle
from dataclasses import replace

import pytest

from preimage.errors import ClaimLost, StorageError
from preimage.storage.claim_record import LEASE, RENEW, State
from preimage.storage.folder import Folder
from preimage.storage.object_storage import ObjectStorage
from preimage.storage.objects import Conflict, Unsupported
from simulation.clock import SimulatedClock
from simulation.interruption import CLAIM, OUTCOME, Bucket, claim, points, see_silence, take_over
from simulation.objects import AnswerLost, Request, SimulatedObjects


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.mark.parametrize("at", points(5, lambda request: request == ("after", "put", request.key)))
def test_an_answer_that_is_lost_changes_nothing(bucket: Bucket, at) -> None:
    """The request is sent again, and a conditional one is then refused because of itself."""

    def lose() -> None:
        raise AnswerLost

    bucket.then = at(lose)
    folder, held = claim(bucket.folder(interrupted=True))
    folder.commit("outcome.json", b"1")
    folder.commit("outcome.json", b"2")
    held.release()
    assert [text for text, _ in bucket.content.of[OUTCOME]] == [b"1", b"2"]
    claim(bucket.folder())


def test_a_worker_elsewhere_commits_while_the_driver_renews(bucket: Bucket) -> None:
    folder, held = claim(bucket.folder())
    worker = replace(bucket.folder(), held=pickle.loads(pickle.dumps(folder.held)))
    waiting = bucket.folder().claim({})
    for number in range(20):
        bucket.clock.sleep(RENEW)
        worker.commit("checkpoint/meta.json", b"%d" % number)
        assert waiting() == {"host": "here", "pid": 1}
    held.check()
    held.release()
    with pytest.raises(ClaimLost, match="its run has ended"):
        worker.commit("checkpoint/meta.json", b"late")
    assert folder.read("checkpoint/meta.json") == b"19"


def test_a_holder_finds_out_that_it_was_taken_for_dead(bucket: Bucket, caplog) -> None:
    _, held = claim(bucket.folder(interrupted=True))
    attempt = bucket.folder().claim({})

    def away(request: Request) -> None:
        raise OSError("no route to host")

    bucket.then = away
    for _ in range(round(LEASE / 5)):
        assert attempt() == {"host": "here", "pid": 1}
        bucket.clock.sleep(5)
    assert "was not renewed (no route to host); trying again" in caplog.text
    held.check()
    assert not isinstance(attempt(), dict)
    bucket.then = lambda request: None
    bucket.clock.sleep(RENEW)
    with pytest.raises(ClaimLost, match="run: another process has taken over"):
        held.check()
    caplog.clear()
    held.release()
    assert not caplog.records
    assert isinstance(bucket.folder().claim({})(), dict), "the new holder's claim is not released"


def test_a_holder_whose_folder_was_deleted_is_told(bucket: Bucket) -> None:
    folder, held = claim(bucket.folder())
    folder.delete()
    bucket.clock.sleep(RENEW)
    with pytest.raises(ClaimLost, match="nobody holds its claim any more: .*, or the folder was deleted"):
        held.check()
    with pytest.raises(ClaimLost, match="nobody holds its claim"):
        folder.commit("outcome.json", b"1")
    assert not bucket.content
    held.release()


def test_an_attempt_without_an_answer_is_made_again_without_waiting(bucket: Bucket) -> None:
    attempt = bucket.folder(interrupted=True).claim({})

    def fail() -> None:
        raise OSError("connection reset")

    bucket.then = points(1, lambda request: request.moment == "after" and request.mutates)[0](fail)
    with pytest.raises(StorageError, match="cannot reach s3://bucket/run: connection reset"):
        attempt()
    bucket.then = lambda request: None
    assert not isinstance(attempt(), dict)


def test_what_a_user_deletes_is_not_given_back(bucket: Bucket) -> None:
    folder, held = claim(bucket.folder())
    folder.commit("outcome.json", b"1")
    held.release()
    folder.remove("outcome.json")
    folder, held = claim(bucket.folder())
    assert not folder.exists("outcome.json")
    folder.commit("outcome.json", b"2")
    folder.remove("outcome.json")
    assert not take_over(bucket).exists("outcome.json")


def test_who_was_away_takes_nobody_for_dead(bucket: Bucket) -> None:
    """Such as with the store itself: the holder has not yet been able to renew."""
    claim(bucket.folder())
    bucket.clock.forget()
    attempt = bucket.folder().claim({})
    attempt()
    bucket.clock.sleep(2 * LEASE)
    see_silence(bucket, attempt)
    assert not isinstance(attempt(), dict)


def test_a_file_that_somebody_else_changes_is_written_over(bucket: Bucket) -> None:
    """As one without a claim may do, or a user."""
    folder, _ = claim(bucket.folder(interrupted=True))
    interrupt = points(1, lambda request: request == ("before", "put", OUTCOME))[0]
    for change in (
        lambda: bucket.folder().write("outcome.json", b"0"),
        lambda: bucket.folder().remove("outcome.json"),
    ):
        bucket.then = interrupt(change)
        folder.commit("outcome.json", b"1")
        assert folder.read("outcome.json") == b"1"
        assert State.of(bucket.content[CLAIM][0]).begun is None


def test_a_claim_belongs_to_its_folder(bucket: Bucket) -> None:
    folder, _ = claim(bucket.folder())
    with pytest.raises(ValueError, match="elsewhere/outcome.json is not in run"):
        (folder.parent / "elsewhere").commit("outcome.json", b"")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"token": 1, "who": "me", "beat": ""}'])
def test_a_claim_that_was_altered_is_taken_over(bucket: Bucket, text: bytes) -> None:
    bucket.folder().write(".claim", text)
    take_over(bucket).commit("outcome.json", b"1")


class Ignoring(SimulatedObjects):
    def put(self, key, data, over="any"):
        return super().put(key, data)


class Half(SimulatedObjects):
    """Knows put-if-absent alone, as S3 did in 2024."""

    def put(self, key, data, over="any"):
        return super().put(key, data, over if over is None else "any")


class Refusing(SimulatedObjects):
    def put(self, key, data, over="any"):
        if over != "any":
            raise Unsupported(key)
        return super().put(key, data)


@pytest.mark.parametrize("kind", [Ignoring, Half, Refusing])
def test_a_store_without_conditional_writes_is_said(kind: type[SimulatedObjects], caplog) -> None:
    objects = kind()
    folder, held = claim(Folder(ObjectStorage(objects, "s3", "bucket", clock=SimulatedClock()), "bucket/run"))
    assert "s3://bucket/run: this object store knows no conditional writes, and so no claims" in caplog.text
    assert "run only one process there at a time" in caplog.text
    folder.commit("outcome.json", b"1")
    held.release()
    assert list(objects.content) == [OUTCOME]


def test_the_bucket_in_memory_has_conditional_writes() -> None:
    objects = SimulatedObjects()
    first = objects.put("a", b"1", None)
    for over in (None, '"other"'):
        with pytest.raises(Conflict):
            objects.put("a", b"2", over)
    second = objects.put("a", b"2", first)
    assert objects.put("a", b"1", second) == first, "the same bytes have the same etag"
    objects.delete(["a"])
    with pytest.raises(Conflict):
        objects.put("a", b"1", first)
