"""The object that says who holds a folder on object storage, and what its holder is about to write there."""

import base64
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from preimage.errors import ClaimLost
from preimage.storage.objects import Conflict, Objects
from preimage.storage.protocol import Clock

NAME = ".claim"
LEASE = 60.0
"""Seconds without a sign of life after which a holder counts as dead."""
RENEW = 15.0
"""Seconds between two signs of life."""
FREE = ""
"""The token of a claim that nobody holds."""


@dataclass(frozen=True)
class Begun:
    """A file that is being written."""

    name: str
    """Within the folder that is claimed."""
    data: bytes
    over: str | None
    """The etag of the version that it replaces; None if there was none."""

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "data": base64.b64encode(self.data).decode(), "over": self.over}


@dataclass(frozen=True)
class State:
    """What the claim says."""

    token: str
    who: dict[str, Any]
    beat: str = field(default_factory=lambda: uuid4().hex)
    """Another one in every version: an etag is a digest, and must never come back."""
    begun: Begun | None = None

    def text(self) -> bytes:
        found = {"token": self.token, "who": self.who, "beat": self.beat}
        return json.dumps(found | ({"begun": self.begun.plain()} if self.begun else {})).encode()

    @classmethod
    def of(cls, text: bytes) -> "State":
        """A claim that is not ours to read counts as one without a sign of life."""
        try:
            found = json.loads(text)
            made = found.get("begun")
            begun = Begun(made["name"], base64.b64decode(made["data"]), made["over"]) if made else None
            return cls(found["token"], dict(found["who"]), found["beat"], begun)
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls("altered", {})

    def again(self, **changes: Any) -> "State":
        return replace(self, beat=uuid4().hex, **changes)


class ClaimRecord:
    """The claim of a folder, as it was last seen."""

    def __init__(self, objects: Objects, prefix: str, clock: Clock) -> None:
        """prefix: of all keys in the folder; it ends with a slash, or is empty for the whole bucket."""
        self.objects, self.prefix, self.key, self._clock = objects, prefix, prefix + NAME, clock
        self.state: State | None = None
        self.etag: str | None = None
        self._seen = clock.monotonic()

    def look(self) -> State | None:
        self._seen = self._clock.monotonic()
        try:
            found = self.objects.get(self.key)
            self.state, self.etag = State.of(found.data), found.etag
        except FileNotFoundError:
            self.state, self.etag = None, None
        return self.state

    def swap(self, state: State) -> bool:
        """Write over the version last seen. False if another was faster: that one is seen now."""
        self._seen = self._clock.monotonic()
        try:
            self.etag, self.state = self.objects.put(self.key, state.text(), self.etag), state
        except Conflict:  # also with itself, if the answer was lost and the request was sent again
            self.look()
        return self.state is not None and self.state.beat == state.beat

    def of(self, token: str) -> State:
        """What the claim of this holder says. Raises ClaimLost."""
        if self.state and self.state.token == token:
            return self.state
        if self.state and self.state.token != FREE:
            why = (
                "another process has taken over, because it had no sign of life from this one for "
                f"{LEASE:.0f} seconds. This one stops; nothing it made is lost"
            )
        else:
            why = (
                "nobody holds its claim any more: its run has ended, maybe by a process that took over, or "
                "the folder was deleted. This one stops; run the same command again"
            )
        raise ClaimLost(f"{self.prefix.rstrip('/') or 'the bucket'}: {why}")

    def begin(self, token: str, made: Begun) -> None:
        """Record what is to be written, once what another worker is writing is written. Raises ClaimLost."""
        while True:
            other = self.of(token).begun
            if other and other != made:
                if not self.is_begun(other):
                    continue
                self.write(other)
            if self.swap(self.of(token).again(begun=made)):
                return

    def is_begun(self, made: Begun) -> bool:
        """Whether this is recorded, as was seen at most RENEW seconds ago: this process may have slept."""
        if self._clock.monotonic() - self._seen > RENEW:
            self.look()
        return self.state is not None and self.state.begun == made

    def write(self, made: Begun) -> bool:
        """Write a file to its place, unless that was done. False if yet another version is there."""
        key = self.prefix + made.name
        try:
            self.objects.put(key, made.data, made.over)
        except Conflict:
            try:
                return self.objects.get(key).data == made.data
            except FileNotFoundError:
                return False
        return True

    def end(self, token: str, made: Begun) -> None:
        """Remove the record of what is written. Raises ClaimLost."""
        while self.of(token).begun == made:
            self.swap(self.of(token).again(begun=None))

    def ignores_conditions(self) -> bool:
        """Whether the store writes over an object that it was told not to touch."""
        other = re.sub("[0-9A-Za-z]", "1", self.etag or "")  # as this store's are, a digest or a number
        for over in (None, other):
            try:
                self.objects.put(self.key, b"", over)
            except Conflict:
                continue
            return True
        return False
