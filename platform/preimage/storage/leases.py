"""Claims on object storage, by conditional writes alone: put if absent, and put over a known version.

<folder>/.claim says who holds it. The holder writes it again every RENEW seconds; who sees the same version
again and again for LEASE seconds, by its own clock, takes over. No two clocks are compared, and after a store
was away nobody is taken for dead. A holder that only slept finds out when it next writes: a commit goes
through the claim. It is recorded there first; then the file is written, over the version that was there
before; then the record is removed.

Why that is enough. No version of the claim ever comes back, so it changes hands by one write, and:
1. Who holds it no longer can record nothing.
2. What is recorded when it changes hands stays recorded, and the new holder writes that file before it counts
   as the holder. A holder's workers treat each other's records in the same way.
3. A record is removed only once its file is no longer the version that it replaces. Whoever comes to write it
   later is refused by that.
So a commit is there when the claim changes hands, or never will be. Point 3 needs a file not to become again
what it was before the commit: deleted by hand, or the same bytes as once before. Therefore nobody writes what
was recorded without having seen the record within the last RENEW seconds. What remains is a single request
that is on its way for longer than a takeover takes, to a file that was deleted meanwhile.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from preimage.errors import ClaimLost
from preimage.storage.address import name_of
from preimage.storage.claim_record import FREE, LEASE, NAME, RENEW, Begun, ClaimRecord, State
from preimage.storage.file_locks import unclaimed
from preimage.storage.host_info import described, is_gone
from preimage.storage.objects import Objects, Unsupported
from preimage.storage.protocol import Attempt, Claim, Clock, Held

log = logging.getLogger(__name__)

SILENT = 5 * LEASE
"""Seconds after which one look at a claim takes its holder for dead."""


def lease(objects: Objects, path: str, key: str, address: str, who: dict[str, Any], clock: Clock) -> Attempt:
    """How to claim the folder at a key; `path` is its path, as workers know it."""
    held = Held(f"{path}/{NAME}", uuid4().hex)
    seen: str | None = None
    since = last = 0.0

    def attempt() -> Claim | dict[str, Any]:
        nonlocal seen, since, last
        record = ClaimRecord(objects, f"{key}/" if key else "", clock)
        found, now = record.look(), clock.monotonic()
        if found is None:
            return _first(record, held, address, who, clock)
        if record.etag != seen or now - last > RENEW:  # who was away itself has not seen anyone be silent
            seen, since = record.etag, now
        last = now
        free = found.token in (FREE, held.token)  # its own: an attempt whose answer never came
        gone = not free and is_gone(found.who)
        if not free and now - since < LEASE and not gone:
            return found.who
        if not record.swap(found.again(token=held.token, who=who)):
            return {}
        if not free:
            why = "has ended" if gone else f"gave no sign of life for {LEASE:.0f} seconds"
            log.warning("%s: taken over from %s, which %s", name_of(address), described(found.who), why)
        if found.begun and not _finish(record, held.token, found.begun, address):
            return {}
        return Lease(record, held, address, clock)

    return attempt


def holder(objects: Objects, key: str) -> dict[str, Any] | None:
    """Who holds a claim, by one look; None if nobody, or one that has ended or been silent for long.

    Only to show it, or to refuse early: for the age two clocks are compared, with a wide margin.
    """
    try:
        found = State.of(objects.get(key).data)
        age = time.time() - objects.head(key).modified_ns / 1e9
    except FileNotFoundError:
        return None
    return None if found.token == FREE or is_gone(found.who) or age > SILENT else found.who


def _first(
    record: ClaimRecord, held: Held, address: str, who: dict[str, Any], clock: Clock
) -> Claim | dict[str, Any]:
    try:
        if not record.swap(State(held.token, who)):
            return {}
        ignored = record.ignores_conditions()
    except Unsupported:
        ignored = True
    if ignored:
        record.objects.delete([record.key])
        return unclaimed(address, "this object store knows no conditional writes, and so no claims")()
    return Lease(record, held, address, clock)


def _finish(record: ClaimRecord, token: str, begun: Begun, address: str) -> bool:
    """Write what the holder before had begun to write. False if the claim was lost again meanwhile."""
    log.warning("%s: finishing %s, which its holder had begun to write", address, begun.name)
    try:
        if record.is_begun(begun):
            record.write(begun)
        record.end(token, begun)
    except ClaimLost:
        return False
    return True


class Lease:
    """A claim that is renewed in the background."""

    def __init__(self, record: ClaimRecord, held: Held, address: str, clock: Clock) -> None:
        self.held, self._record, self._address, self._clock = held, record, address, clock
        self._lost: ClaimLost | None = None
        self._ended = False
        self._stop: Callable[[], None] = clock.every(RENEW, self._renew)

    def check(self) -> None:
        if self._lost:
            raise self._lost

    def release(self) -> None:
        """The object stays, without a holder: nothing can be deleted on a condition."""
        self._ended = True
        self._stop()
        renewed = self._record
        record = ClaimRecord(renewed.objects, renewed.prefix, self._clock)  # a renewal may use the other
        try:
            record.look()
            with suppress(ClaimLost):  # nothing to release; who commits is told
                while not record.swap(record.of(self.held.token).again(token=FREE)):
                    pass
        except OSError as error:
            log.warning("%s: the claim was not released (%s)", self._address, error)

    def _renew(self) -> None:
        try:
            while not self._record.swap(self._record.of(self.held.token).again()):
                pass
        except ClaimLost as error:
            self._stop()
            if not self._ended:
                self._lost = error  # said once, where it ends the work
        except OSError as error:
            log.warning("%s: the claim was not renewed (%s); trying again", self._address, error)


def commit(objects: Objects, key: str, data: bytes, claim: str, token: str, clock: Clock) -> None:
    """Write a file as the holder of the claim at the key `claim`.

    Raises ClaimLost if another has taken over; then the file is untouched, or who took over has finished it.
    ValueError if the file is not in the folder that is claimed.
    """
    prefix = claim.removesuffix(NAME)
    if not key.startswith(prefix):
        raise ValueError(f"{key} is not in {prefix}, which is the folder that is claimed")
    record = ClaimRecord(objects, prefix, clock)
    while True:
        try:
            over = objects.head(key).etag
        except FileNotFoundError:
            over = None
        made = Begun(key.removeprefix(prefix), data, over)
        record.look()
        record.begin(token, made)
        if record.is_begun(made) and record.write(made):
            break
    with suppress(ClaimLost):  # it is written, so it was before that
        record.end(token, made)
