"""Claims on an object store, in every order that the seeds and the points of interruption find."""

import json
import logging
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest

import budget
from preimage.errors import ClaimLost, StorageError
from preimage.storage.claim_record import FREE, LEASE, RENEW, State
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
from preimage.storage.object_storage import ObjectStorage
from preimage.storage.objects import Conflict, Unsupported
from preimage.storage.protocol import Claim
from simulation.clock import SimulatedClock
from simulation.objects import AnswerLost, Request, SimulatedObjects
from simulation.processes import Killed, Process, Processes

SEEDS = 2000 if budget.WHOLE else 250
CLAIM, OUTCOME = "run/.claim", "run/outcome.json"


class Versions(dict[str, tuple[bytes, int]]):
    """A bucket that remembers what it held."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, list[tuple[bytes, float]]] = {}

    def __setitem__(self, key: str, value: tuple[bytes, int]) -> None:
        super().__setitem__(key, value)
        self.of.setdefault(key, []).append((value[0], value[1] / 1e9))


def folder_of(process: Process) -> Folder:
    return Folder(ObjectStorage(process.objects, "s3", "bucket", clock=process), "bucket/run")


def add(folder: Folder, name: str, entry: str) -> None:
    """Commit a list with one entry more, as a study does with its trials."""
    known = folder.read_json(name) if folder.exists(name) else []
    folder.commit(name, json.dumps([*known, entry]).encode())


@pytest.mark.parametrize("group", range(5))
def test_claims_keep_every_commit_whoever_sleeps_dies_or_gets_no_answer(group: int) -> None:
    """A driver of each process commits, and so does a worker of its. All that was committed is in all later
    versions, in its order; and who lost a claim had given no sign of life for as long as was promised."""
    logging.disable(logging.CRITICAL)
    try:
        for seed in range(group * SEEDS // 5, (group + 1) * SEEDS // 5):
            _try(seed)
    finally:
        logging.disable(logging.NOTSET)


def _try(seed: int) -> None:
    processes = Processes(seed, dies=0.01, sleeps=0.03, loses=0.03)
    processes.content = versions = Versions()
    committed: dict[str, list[str]] = {"run/outcome.json": [], "run/checkpoint/meta.json": []}

    def put(folder: Folder, name: str, entry: str) -> None:
        with suppress(ClaimLost):
            add(folder, name, entry)
            committed[f"run/{name}"].append(entry)

    def drive(process: Process) -> None:
        for attempt in range(2):
            with claimed(folder_of(process)) as (folder, _):
                processes.start(f"{process.name}'s worker", partial(work, folder=folder, attempt=attempt))
                put(folder, "outcome.json", f"{process.name}{attempt}")
                process.sleep(2)
                put(folder, "outcome.json", f"{process.name}{attempt}, later")

    def work(process: Process, folder: Folder, attempt: int) -> None:
        put(replace(folder_of(process), held=folder.held), "checkpoint/meta.json", f"{process.name}{attempt}")

    for name in ("first", "second"):
        processes.start(name, drive)
    last = processes.start("last", lambda process: process.sleep(5000) or drive(process))
    last.mortal = False
    processes.run()

    _check_claims(seed, versions)
    for key, entries in committed.items():
        lists = [json.loads(text) for text, _ in versions.of.get(key, [])]
        for before, after in zip([[], *lists], lists, strict=False):
            assert after[: len(before)] == before, f"seed {seed}: {key} went from {before} to {after}"
        assert set(entries) <= set(lists[-1]), f"seed {seed}: a commit is gone from {key}"
    assert "last1, later" in json.loads(versions["run/outcome.json"][0]), f"seed {seed}"


def _check_claims(seed: int, versions: Versions) -> None:
    last: dict[str, float] = {}
    token = FREE
    for text, when in versions.of[CLAIM]:
        state = State.of(text)
        if token not in (FREE, state.token) and state.token != FREE:
            assert when - last[token] >= LEASE, f"seed {seed}: taken over from a live holder"
        token = state.token
        last[token] = when
    assert token == FREE, f"seed {seed}: not released"


class Bucket:
    """What two processes share that take turns: `then` interrupts the first one at a request of its own."""

    def __init__(self) -> None:
        self.clock, self.content = SimulatedClock(), Versions()
        self.then: Callable[[Request], None] = lambda request: None

    def folder(self, interrupted: bool = False) -> Folder:
        hook = self._asked if interrupted else lambda request: None
        objects = SimulatedObjects(hook, self.content, lambda: self.clock.now)
        return Folder(ObjectStorage(objects, "s3", "bucket", clock=self.clock), "bucket/run")

    def _asked(self, request: Request) -> None:
        self.then(request)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def claim(folder: Folder) -> tuple[Folder, Claim]:
    """At once, or a failure."""
    found = folder.claim({"host": "here", "pid": 1})()
    assert not isinstance(found, dict), found
    return replace(folder, held=found.held), found


Interrupt = Callable[[Callable[[], None]], Callable[[Request], None]]


def points(count: int, pick: Callable[[Request], bool] = lambda request: True) -> list[Interrupt]:
    """How to interrupt at each of so many requests in turn."""

    def at(index: int, do: Callable[[], None]) -> Callable[[Request], None]:
        left = [index]

        def then(request: Request) -> None:
            if pick(request):
                left[0] -= 1
                if left[0] == -1:
                    do()

        return then

    return [partial(at, index) for index in range(count)]


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


def take_over(bucket: Bucket) -> Folder:
    """As another process, after the first one gave no sign of life."""
    attempt = bucket.folder().claim({"host": "there", "pid": 2})
    assert isinstance(attempt(), dict), "taken from a live holder"
    bucket.clock.forget()
    bucket.clock.sleep(LEASE)
    found = attempt()
    assert not isinstance(found, dict)
    return replace(bucket.folder(), held=found.held)


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

    def die() -> None:
        raise Killed

    bucket.then = at(die)
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
    attempt()

    def away(request: Request) -> None:
        raise OSError("no route to host")

    bucket.then = away
    bucket.clock.sleep(LEASE)
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
