"""Claims on an object store: a commit, a takeover, a second worker, interrupted at every request."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from preimage.errors import ClaimLost
from preimage.storage.claim_record import State
from preimage.storage.folder import Folder
from simulation.interruption import CLAIM, OUTCOME, Bucket, claim, kill, points, see_silence, take_over
from simulation.objects import Request
from simulation.processes import Killed


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def _moments() -> list[Request]:
    """The moments of the requests of a commit."""
    bucket, seen = Bucket(), []
    folder, _ = claim(bucket.folder(interrupted=True))
    bucket.then = seen.append
    folder.commit("outcome.json", b"1")
    return seen


MOMENTS = _moments()
EACH = points(len(MOMENTS))


def _is_on_its_way(request: Request) -> bool:
    return request == ("before", "put", OUTCOME)


@pytest.mark.parametrize("before", [None, b"an older one"])
@pytest.mark.parametrize("at", EACH)
def test_a_holder_that_slept_commits_before_the_takeover_or_never(bucket: Bucket, at, before) -> None:
    if before:
        bucket.folder().write("outcome.json", before)
    zombie, _ = claim(bucket.folder(interrupted=True))
    found: list[bytes | None] = []

    def sleep() -> None:
        other = take_over(bucket)
        found.append(other.read("outcome.json") if other.exists("outcome.json") else None)
        other.commit("outcome.json", b"what the other made")

    bucket.then = at(sleep)
    lost = False
    try:
        zombie.commit("outcome.json", b"the zombie's")
    except ClaimLost:
        lost = True
    assert found[0] in (before, b"the zombie's")
    assert lost or found[0] == b"the zombie's"
    assert bucket.folder().read("outcome.json") == b"what the other made"
    with pytest.raises(ClaimLost, match="another process has taken over"):
        zombie.commit("outcome.json", b"the zombie's")


@pytest.mark.parametrize(
    "at", [at for at, moment in zip(EACH, MOMENTS, strict=True) if not _is_on_its_way(moment)]
)
def test_what_was_deleted_meanwhile_stays_deleted(bucket: Bucket, at) -> None:
    """Wherever the zombie slept, other than on the way of a write."""
    zombie, _ = claim(bucket.folder(interrupted=True))

    def sleep() -> None:
        take_over(bucket).remove("outcome.json")

    bucket.then = at(sleep)
    with suppress(ClaimLost):
        zombie.commit("outcome.json", b"the zombie's")
    assert not bucket.folder().exists("outcome.json")


@pytest.mark.parametrize("at", EACH)
def test_a_commit_of_a_killed_holder_is_there_as_a_whole_or_not_at_all(bucket: Bucket, at) -> None:
    folder, _ = claim(bucket.folder(interrupted=True))

    bucket.then = at(kill)
    with pytest.raises(Killed):
        folder.commit("outcome.json", b"whole")
    recorded = State.of(bucket.content[CLAIM][0]).begun is not None
    other = take_over(bucket)
    versions = bucket.content.of.get(OUTCOME, [])
    assert [text for text, _ in versions] in ([], [b"whole"])
    assert other.exists("outcome.json") or not recorded, "a commit that was begun is finished"
    assert State.of(bucket.content[CLAIM][0]).begun is None


@pytest.mark.parametrize("at", EACH)
def test_two_workers_of_one_holder_commit_at_the_same_time(bucket: Bucket, at) -> None:
    """And where the first one dies, or sleeps, what it had begun is finished."""
    driver, held = claim(bucket.folder())
    first = replace(bucket.folder(interrupted=True), held=driver.held)
    bucket.then = at(lambda: driver.commit("second/meta.json", b"2"))
    first.commit("first/meta.json", b"1")
    assert (driver.read("first/meta.json"), driver.read("second/meta.json")) == (b"1", b"2")
    assert [len(bucket.content.of[f"run/{name}/meta.json"]) for name in ("first", "second")] == [1, 1]
    assert State.of(bucket.content[CLAIM][0]).begun is None
    held.release()


@pytest.mark.parametrize("at", EACH)
def test_a_zombies_second_worker_never_hides_the_first_ones_commit(bucket: Bucket, at) -> None:
    """Two commits that were begun, one of them by a process that then sleeps through the takeover."""
    driver, _ = claim(bucket.folder())
    first = replace(bucket.folder(interrupted=True), held=driver.held)
    seen: list[bool] = []

    def sleep() -> None:
        driver.commit("second/meta.json", b"2")
        seen.append(take_over(bucket).exists("first/meta.json"))

    bucket.then = at(sleep)
    with suppress(ClaimLost):
        first.commit("first/meta.json", b"1")
    assert bucket.folder().exists("first/meta.json") == seen[0]


@pytest.mark.parametrize("at", EACH)
@pytest.mark.parametrize("until", EACH)
def test_what_a_worker_records_is_finished_though_it_dies_and_another_commits(at, until) -> None:
    """Wherever the other one is when this one begins, and at any point of this one. Then the driver ends."""
    bucket = Bucket()
    driver, held = claim(bucket.folder())
    dying, living = (replace(bucket.folder(interrupted=True), held=driver.held) for _ in range(2))

    def begin_and_die() -> None:
        bucket.then = until(kill)
        with suppress(Killed):
            dying.commit("dying/meta.json", b"1")
        bucket.then = lambda request: None

    bucket.then = at(begin_and_die)
    living.commit("living/meta.json", b"2")
    held.release()
    bucket.clock.forget()
    folder, _ = claim(bucket.folder())
    assert folder.read("living/meta.json") == b"2"
    recorded = [State.of(text).begun for text, _ in bucket.content.of[CLAIM]]
    assert folder.exists("dying/meta.json") or "dying/meta.json" not in {
        each.name for each in recorded if each
    }


def _begun(bucket: Bucket, name: str) -> Folder:
    """Where a worker died between recording a commit and writing the file."""
    driver, _ = claim(bucket.folder())
    bucket.then = points(1, lambda request: request == ("before", "put", f"run/{name}"))[0](kill)
    with pytest.raises(Killed):
        replace(bucket.folder(interrupted=True), held=driver.held).commit(name, b"begun")
    return driver


def _everywhere(name: str, prepare: Callable[[Bucket], Callable[[], object]]) -> int:
    """Another takes over and removes a file that was begun, wherever the process is that comes to write it;
    other than on the way of that write. Returns how many points there were."""
    for index in range(100):
        bucket, removed = Bucket(), []
        act = prepare(bucket)

        def sleep(bucket: Bucket = bucket, removed: list[bool] = removed) -> None:
            take_over(bucket).remove(name)
            removed.append(True)

        bucket.then = points(index + 1, lambda request: request != ("before", "put", f"run/{name}"))[-1](
            sleep
        )
        with suppress(ClaimLost):
            act()
        if not removed:
            return index
        assert not bucket.folder().exists(name)
    raise AssertionError("it never ends")


def test_who_takes_over_and_then_sleeps_brings_back_nothing() -> None:
    def prepare(bucket: Bucket) -> Callable[[], object]:
        _begun(bucket, "outcome.json")
        attempt = bucket.folder(interrupted=True).claim({"host": "elsewhere"})
        bucket.then = lambda request: None
        see_silence(bucket, attempt)
        return attempt

    assert _everywhere("outcome.json", prepare) == 7


def test_a_worker_that_slept_brings_back_nothing_of_another_one() -> None:
    def prepare(bucket: Bucket) -> Callable[[], object]:
        driver = _begun(bucket, "first/meta.json")
        second = replace(bucket.folder(interrupted=True), held=driver.held)
        return lambda: second.commit("second/meta.json", b"2")

    assert _everywhere("first/meta.json", prepare) >= 9


def test_who_is_overtaken_while_it_finishes_a_commit_is_not_the_holder(bucket: Bucket) -> None:
    _begun(bucket, "outcome.json")
    attempt = bucket.folder(interrupted=True).claim({"host": "elsewhere"})
    bucket.then = lambda request: None
    see_silence(bucket, attempt)
    bucket.then = points(1, lambda request: request == ("after", "put", OUTCOME))[0](
        lambda: take_over(bucket)
    )
    assert isinstance(attempt(), dict)
