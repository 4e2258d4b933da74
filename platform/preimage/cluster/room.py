"""Hold room on a cluster that others share, from before a run claims its first folder until it ends.

Nothing waits in a circle, because everything is taken in one order: room, then the claims of a study, of a
pipeline, of a step, of a dataset, then Ray's own cores. Who waits for room holds nothing. Who waits for a
claim has its room and holds no core. Only a trial of a study has a core before it claims its steps: it never
waits for a claim, but gives its core back (`claims.without_waiting`). So whoever holds cores goes on, and
they become free; whoever holds claims gets cores, and goes on. The private Ray of one machine has no queue.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil

from preimage.cluster import submissions
from preimage.cluster.queue import Queue, Room, Ticket, free, lacks, total
from preimage.config import Resources, largest
from preimage.storage.host_info import now, submission_id

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two looks at the queue."""
NAMED = 3
"""How many of those who hold room a message names."""
PLACES = ("first", "second", "third")

_held: list["HeldRoom"] = []
"""The room that this process holds; one run of it at a time asks."""


@dataclass(frozen=True)
class Wanted:
    """What a run asks of a cluster."""

    needs: Room
    """To begin."""
    unit: Room
    """What it can use beyond that, `most` times."""
    most: int
    worker: Room
    """The largest of its workers, which one node must hold."""
    gives_back: bool
    """Whether it can do with fewer units while it runs."""


class HeldRoom:
    """The room of a run that has begun; it grows into what is free, and shrinks when somebody waits."""

    def __init__(self, queue: Queue, ticket: Ticket, wanted: Wanted) -> None:
        self.lock = threading.Lock()
        """Held while a study decides which trials start."""
        self.used = 1
        """How many trials run."""
        self._queue, self._ticket, self._wanted = queue, ticket, wanted
        self._allowed, self._may_ask = 0, wanted.gives_back
        self._over = threading.Event()
        self.look()
        self._watcher = threading.Thread(target=self._watch, name="room", daemon=True)
        if wanted.most:
            self._watcher.start()

    @property
    def at_once(self) -> int:
        """How many trials may run now. None that runs is ended when this falls."""
        return 1 + self._allowed

    def look(self) -> None:
        """Give back what somebody lacks, or take more if nobody waits."""
        with self.lock:
            owed = self._queue.owed(self._ticket) if self._wanted.gives_back else 0
            if owed:
                self._allowed = min(self._allowed, self._ticket.units - owed)
                self._ticket = self._queue.shrink(self._ticket, max(self._allowed, self.used - 1))
            else:
                self._ticket = self._queue.grow(self._ticket, self._wanted.most)
                self._allowed = self._ticket.units

    def end(self) -> None:
        self._over.set()
        if self._wanted.most:
            self._watcher.join()  # a thread that calls Ray while Ray shuts down kills the process

    def _watch(self) -> None:
        """Look again and again, until the run ends."""
        while not self._over.wait(EVERY):
            with _head_may_be_gone():
                self.look()
                if self._may_ask and self._ticket.units < self._wanted.most and self._is_alone():
                    unit, worker = self._wanted.unit, self._wanted.worker
                    self._may_ask = _more_nodes(self._queue, unit, worker, self._is_disturbed)

    def _is_alone(self) -> bool:
        return all(each.has_begun for each in self._queue.tickets())

    def _is_disturbed(self) -> bool:
        return self._over.is_set() or not self._is_alone()


def current() -> HeldRoom | None:
    """The room that this process holds; None where there is no queue."""
    return _held[-1] if _held else None


@contextmanager
def hold_room(steps: Sequence[Resources], at_once: int, who: str) -> Iterator[None]:
    """On a cluster that RAY_ADDRESS names, hold room for the largest of these steps while the block runs.

    Waits in line for it, and says what it waits for. at_once: how many times a study could use it. who: names
    the run for those who wait. This process is connected to the cluster. Raises PreimageError if the cluster
    can never hold a step.
    """
    if not steps or os.environ.get("RAY_ADDRESS", "local") == "local" or _held:
        yield
        return
    from preimage.cluster.board import RayBoard, this_job  # they import Ray, which takes seconds

    wanted = wanted_for(steps, at_once)
    queue = Queue(RayBoard())
    new = Ticket(this_job(), submission_id() or who, now(), dict(wanted.needs), dict(wanted.unit))
    ticket = queue.arrive(new)
    try:
        room = HeldRoom(queue, _waited(queue, ticket, wanted), wanted)
        _held.append(room)
        try:
            yield
        finally:
            room.end()
            _held.remove(room)
    finally:
        with _head_may_be_gone():
            queue.leave(ticket)


def wanted_for(steps: Sequence[Resources], at_once: int) -> Wanted:
    """What a run with these steps asks of the cluster as it is now. Raises what `require` raises."""
    from preimage.cluster.connect import require

    gpus = [require(each).gpu is True for each in steps]
    both = list(zip(steps, gpus, strict=True))
    needs = largest(_room(each, each.needed, gpu) for each, gpu in both)
    worker = largest(_room(each, 1, gpu) for each, gpu in both)
    if at_once > 1:
        return Wanted(
            needs, largest(_room(each, each.workers, gpu) for each, gpu in both), at_once - 1, worker, True
        )
    return Wanted(needs, worker, max(each.workers - each.needed for each in steps), worker, False)


def _room(each: Resources, workers: int, gpu: bool) -> dict[str, float]:
    return {"CPU": float(workers * each.cpus_per_worker)} | ({"GPU": float(workers)} if gpu else {})


def _waited(queue: Queue, ticket: Ticket, wanted: Wanted) -> Ticket:
    """The ticket once it has its room."""
    says, asked = _Says(), False
    try:
        while not (begun := queue.begin(ticket)):
            tickets, capacity = queue.tickets(), queue.board.capacity()
            says(ticket, tickets, capacity)
            is_first = all(each.has_begun for each in tickets if each.number < ticket.number)
            if is_first and not asked:
                asked = not _more_nodes(queue, wanted.needs, wanted.worker, partial(_fits, queue, ticket))
            else:
                time.sleep(EVERY)
        says.has_room()
        return begun
    finally:
        says.over()


def _fits(queue: Queue, ticket: Ticket) -> bool:
    return not lacks(ticket, queue.tickets(), queue.board.capacity())


def _more_nodes(queue: Queue, more: Room, worker: Room, is_enough: Callable[[], bool]) -> bool:
    """Ask the autoscaler for nodes with room for more than is held now. False if it can add none."""
    from preimage.cluster.autoscaling import wait_for_nodes

    everything = total([*(each.holds for each in queue.tickets() if each.has_begun), more])
    count = max(ceil(everything[name] / each) for name, each in worker.items() if each)
    return wait_for_nodes(worker, count, is_enough)


@contextmanager
def _head_may_be_gone() -> Iterator[None]:
    """Then the queue is gone too: `head_watch` says so, and what is in this block is not needed any more."""
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, RuntimeError) as error:
        log.debug("the queue does not answer: %s", error)


class _Says:
    """Says what a job waits for: in its log when its place changes, in its submission whenever that does."""

    def __init__(self) -> None:
        self._submission = submissions.current()
        self._place = -1

    def __call__(self, ticket: Ticket, tickets: Sequence[Ticket], capacity: Room) -> None:
        text = waits_for(ticket, tickets, capacity)
        place = sum(not each.has_begun for each in tickets if each.number < ticket.number)
        if place != self._place:
            log.warning("waits for %s", text)
            self._place = place
        if self._submission:
            self._submission.waits(text)

    def over(self) -> None:
        if self._submission and self._place >= 0:
            self._submission.waits("")

    def has_room(self) -> None:
        if self._place >= 0:
            log.warning("has its room, and begins")


def waits_for(ticket: Ticket, tickets: Sequence[Ticket], capacity: Room) -> str:
    """What a job waits for: "4 CPUs: 2 of 4 are free; demo-1 holds 2 since 10:00; first in line"."""
    left = free(tickets, capacity)
    wanted = _listed(ticket.needs)
    frees = " and ".join(
        f"{left.get(name, 0):g} of {capacity.get(name, 0):g} {name}s" for name in ticket.needs
    )
    holders = [each for each in tickets if each.has_begun and each.number != ticket.number]
    held = [f"{each.who} holds {_listed(each.holds)} since {each.since}" for each in holders]
    held = held[:NAMED] + ([f"{len(held) - NAMED} more hold the rest"] if len(held) > NAMED else [])
    place = sum(not each.has_begun for each in tickets if each.number < ticket.number)
    named = PLACES[place] if place < len(PLACES) else f"{place + 1}th"
    return "; ".join([f"{wanted}: {frees} are free", *held, f"{named} in line"])


def _listed(room: Room) -> str:
    return " and ".join(f"{number:g} {name}{'' if number == 1 else 's'}" for name, number in room.items())
