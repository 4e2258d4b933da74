"""Claims on object storage, by conditional writes alone: put if absent, and put over a known version.

<folder>/.claim says who holds it. The holder writes it again every RENEW seconds; who sees one version of it
for LEASE seconds, by its own clock, takes over, so that no two clocks are compared. A holder that only slept
finds out when it next writes: a commit goes through the claim. It is first written there, over the version
that the holder knows, and then to its own place; who takes over writes what it finds in the claim. So either
the commit was there before the claim changed hands, or it is refused.
"""

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from preimage.errors import ClaimLost
from preimage.storage.file_locks import unclaimed
from preimage.storage.host_info import is_gone
from preimage.storage.objects import Conflict, Objects
from preimage.storage.protocol import Attempt, Claim, Clock, Held

log = logging.getLogger(__name__)

NAME = ".claim"
LEASE = 60.0
"""Seconds without a sign of life after which a holder counts as dead."""
RENEW = 15.0
FREE = ""
"""The token of a claim that nobody holds."""


@dataclass(frozen=True)
class _Commit:
    """A file that is being written."""

    key: str
    data: bytes
    over: str | None
    """The etag of the version that it replaces; None if there was none."""

    def plain(self) -> dict[str, Any]:
        return {"key": self.key, "data": base64.b64encode(self.data).decode(), "over": self.over}


@dataclass(frozen=True)
class _State:
    """What the claim says."""

    token: str
    who: dict[str, Any]
    beat: str = field(default_factory=lambda: uuid4().hex)
    """Another one in every version: an etag is a digest, and must never come back."""
    commit: _Commit | None = None

    def text(self) -> bytes:
        found = {"token": self.token, "who": self.who, "beat": self.beat}
        return json.dumps(found | ({"commit": self.commit.plain()} if self.commit else {})).encode()

    @classmethod
    def of(cls, text: bytes) -> "_State":
        """A claim that is not ours to read counts as one without a sign of life."""
        try:
            found = json.loads(text)
            made = found.get("commit")
            pending = _Commit(made["key"], base64.b64decode(made["data"]), made["over"]) if made else None
            return cls(found["token"], found["who"], found["beat"], pending)
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls("altered", {})

    def again(self, **changes: Any) -> "_State":
        return replace(self, beat=uuid4().hex, **changes)


def lease(objects: Objects, path: str, key: str, address: str, who: dict[str, Any], clock: Clock) -> Attempt:
    """How to claim the folder at a key; `path` is its path, as workers know it."""
    place, token = f"{key}/{NAME}", uuid4().hex
    seen: tuple[str, float] | None = None

    def attempt() -> Claim | dict[str, Any]:
        nonlocal seen
        mine = _State(token, who)
        try:
            found = objects.get(place)
        except FileNotFoundError:
            if _put(objects, place, mine, None) is None:
                return {}
            if _ignores_conditions(objects, place):
                objects.delete([place])
                why = "this object store ignores conditions, so nothing can be claimed"
                return unclaimed(address, why)()
            return Lease(objects, Held(f"{path}/{NAME}", token), place, address, clock)
        state, now = _State.of(found.data), clock.monotonic()
        if seen is None or seen[0] != found.etag:
            seen = found.etag, now
        if state.token != FREE and now - seen[1] < LEASE and not is_gone(state.who):
            return state.who
        if state.commit:
            _finish(objects, state.commit)
        if _put(objects, place, mine, found.etag) is None:
            return {}
        if state.token != FREE:
            log.warning("%s: took over from a holder that gave no sign of life", address)
        return Lease(objects, Held(f"{path}/{NAME}", token), place, address, clock)

    return attempt


class Lease:
    """A claim that is renewed in the background."""

    def __init__(self, objects: Objects, held: Held, place: str, address: str, clock: Clock) -> None:
        self.held, self._objects, self._place, self._address = held, objects, place, address
        self._lost: ClaimLost | None = None
        self._stop: Callable[[], None] = clock.every(RENEW, self._renew)

    def check(self) -> None:
        if self._lost:
            raise self._lost

    def release(self) -> None:
        """The object stays, without a holder: nothing can be deleted on a condition."""
        self._stop()
        try:
            _update(self._objects, self._place, self.held.token, lambda state: state.again(token=FREE))
        except (ClaimLost, OSError) as error:
            log.warning("%s: the claim was not released (%s)", self._address, error)

    def _renew(self) -> None:
        try:
            _update(self._objects, self._place, self.held.token, lambda state: state.again())
        except ClaimLost as error:
            if not self._lost:
                log.error("%s", error)
            self._lost = error
            self._stop()
        except OSError as error:
            log.warning("%s: the claim was not renewed (%s); trying again", self._address, error)


def commit(objects: Objects, key: str, data: bytes, place: str, token: str) -> None:
    """Write a file as the holder of the claim at `place`. Raises ClaimLost if another has taken over."""
    try:
        over = objects.head(key).etag
    except FileNotFoundError:
        over = None
    made = _Commit(key, data, over)
    _update(objects, place, token, lambda state: state.again(commit=made))
    if not _finish(objects, made) and objects.get(key).data != data:
        raise _lost(place)
    _update(objects, place, token, lambda state: state.again(commit=None))


def _finish(objects: Objects, made: _Commit) -> bool:
    """Write a file to its place, unless that was done. Whether it was written now."""
    try:
        objects.put(made.key, made.data, made.over)
    except Conflict:
        return False
    return True


def _update(objects: Objects, place: str, token: str, change: Callable[[_State], _State]) -> None:
    """Change the claim that this token holds. Raises ClaimLost."""
    while True:
        try:
            found = objects.get(place)
        except FileNotFoundError:
            raise _lost(place) from None
        state = _State.of(found.data)
        if state.token != token:
            raise _lost(place)
        if _put(objects, place, change(state), found.etag) is not None:
            return


def _put(objects: Objects, place: str, state: _State, over: str | None) -> str | None:
    """The new etag; None if another was faster. A write whose answer was lost is sent again by the client,
    and then conflicts with itself."""
    try:
        return objects.put(place, state.text(), over)
    except Conflict:
        try:
            found = objects.get(place)
        except FileNotFoundError:
            return None
        return found.etag if _State.of(found.data).beat == state.beat else None


def _ignores_conditions(objects: Objects, place: str) -> bool:
    """Whether a store writes over an object that it was told not to touch."""
    try:
        objects.put(place, objects.get(place).data, None)
    except Conflict:
        return False
    return True


def _lost(place: str) -> ClaimLost:
    folder = place.rsplit("/", 1)[0]
    return ClaimLost(
        f"{folder}: another process has taken over, because it had no sign of life from this one for "
        f"{LEASE:.0f} seconds. This one stops; nothing it made is lost"
    )
