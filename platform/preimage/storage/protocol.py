"""What a folder asks of the filesystem or object store that holds it."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, Protocol

from pyarrow import fs


class Entry(NamedTuple):
    """A file or a folder."""

    name: str
    is_file: bool
    size: int = 0
    """In bytes."""
    modified_ns: int = 0
    """Since 1970; 0 if it is not known."""


@dataclass(frozen=True)
class Held:
    """Who holds the claim on a folder, as any of its processes can prove: it travels to workers."""

    path: str
    """The claim's own."""
    token: str


class Claim(Protocol):
    """A folder's claim, held by this process."""

    @property
    def held(self) -> Held | None:
        """What workers need to commit; None where the kernel holds the lock."""
        ...

    def check(self) -> None:
        """Raise ClaimLost if another process is known to have taken over."""
        ...

    def release(self) -> None: ...


class Clock(Protocol):
    """Time, which a simulation replaces."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...
    def every(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call something again and again in the background. Returns how to stop it."""
        ...


class RealClock:
    """This machine's."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def every(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(seconds):
                call()

        threading.Thread(target=repeat, name="claim", daemon=True).start()
        return ended.set


class Storage(Protocol):
    """A filesystem or an object store. Paths are as pyarrow has them: /folder/file, bucket/key.

    Methods raise OSError, or ValueError for an invalid name.
    """

    @property
    def filesystem(self) -> fs.FileSystem:
        """For what reads files in part: Parquet."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether paths are those of this machine."""
        ...

    @property
    def clock(self) -> Clock: ...

    def address(self, path: str) -> str:
        """The text that opens the same place anywhere."""
        ...

    def info(self, path: str) -> Entry | None:
        """A file or a folder; None if there is neither."""
        ...

    def entries(self, path: str) -> list[Entry]:
        """What a folder holds; empty if there is no folder."""
        ...

    def read(self, path: str) -> bytes: ...

    def writing(self, path: str, durable: bool) -> AbstractContextManager[BinaryIO]:
        """A stream to write a file to, which appears as a whole after the block. durable: once it appears, no
        loss of power takes it away."""
        ...

    def commit(self, path: str, data: bytes, held: Held | None) -> None:
        """Write a durable file unless another process holds the claim. Raises ClaimLost."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        ...

    def delete(self, path: str) -> None:
        """Remove a folder and everything in it, if it exists."""
        ...

    def settle(self, path: str) -> None:
        """Make durable what can be seen in a folder, before something durable relies on it: a process that
        was killed may not have come to that."""
        ...

    def claim(self, path: str, who: dict[str, Any]) -> "Attempt":
        """How to claim a folder."""
        ...

    def holder(self, path: str) -> dict[str, Any] | None:
        """Who holds the claim of a folder, as far as one look tells; None if nobody does."""
        ...

    def everything(self, path: str) -> list[Entry]:
        """All files below a folder, hidden ones too, by their paths from there."""
        ...

    def vacate(self, path: str) -> None:
        """Remove an emptied folder with its claim, which this process holds, and what killed writers left."""
        ...


Attempt = Callable[[], Claim | dict[str, Any]]
"""Try to claim a folder. Returns the claim, or else who holds it; call again to try again."""
