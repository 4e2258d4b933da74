"""Two processes and a bucket: one is interrupted at a request of its choice, and the other acts meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from preimage.storage.claim_record import LEASE
from preimage.storage.folder import Folder
from preimage.storage.object_storage import ObjectStorage
from preimage.storage.protocol import Attempt, Claim
from simulation.clock import SimulatedClock
from simulation.objects import Request, SimulatedObjects, Versions
from simulation.processes import Killed

CLAIM, OUTCOME = "run/.claim", "run/outcome.json"


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


def see_silence(bucket: Bucket, attempt: Attempt) -> None:
    """Until a dead holder may be taken for dead."""
    bucket.clock.forget()
    for _ in range(round(LEASE / 5)):
        assert isinstance(attempt(), dict), "taken from a live holder"
        bucket.clock.sleep(5)


def take_over(bucket: Bucket) -> Folder:
    """As another process, once the holder is dead or asleep."""
    attempt = bucket.folder().claim({"host": "there", "pid": 2})
    see_silence(bucket, attempt)
    found = attempt()
    assert not isinstance(found, dict)
    return replace(bucket.folder(), held=found.held)


def kill() -> None:
    raise Killed
