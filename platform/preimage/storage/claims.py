"""One process at a time makes a folder, on any machine; a second one waits, then finds it made.

How a folder is claimed is its storage's matter: `file_locks` on a path, `leases` on an object store.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from preimage.errors import ClaimTaken
from preimage.storage.folder import Folder
from preimage.storage.host_info import described, host, now, process, submission_id
from preimage.storage.protocol import Claim

log = logging.getLogger(__name__)

EVERY = 0.5
"""Seconds between two attempts, at first."""
SELDOM = 5.0
"""Seconds between two attempts, at last: each may be a request."""

_waits: ContextVar[bool] = ContextVar("waits", default=True)


@contextmanager
def without_waiting() -> Iterator[None]:
    """In this block and thread, `claimed` raises ClaimTaken instead of waiting for another process's work.

    For who holds what that process may need to go on.
    """
    before = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(before)


@contextmanager
def claimed(
    folder: Folder, check: Callable[[], None] = lambda: None, brief: bool = False
) -> Iterator[tuple[Folder, Claim]]:
    """Claim a folder until the block ends or the process dies. While another holds it, warn and wait.

    check: called before each attempt. What it raises ends the waiting, such as ClaimLost of a claim around.
    brief: whoever holds it needs nothing else, and is waited for even in `without_waiting`.
    Yields the folder as its holder has it, whose `commit` is refused once another has taken over, also in
    other processes that it is sent to; and the claim. Raises StorageError if the folder is not writable, and
    its kind ClaimTaken.
    """
    claim = _wait(folder, check, brief or _waits.get())
    try:
        yield replace(folder, held=claim.held), claim
    finally:
        claim.release()


def is_unclaimed(folder: Folder) -> Callable[[], bool]:
    """A function: does nobody make this folder now? It has to be called again and again: whoever gave no sign
    of life for long is taken for dead."""
    attempt = folder.claim(_who())

    def is_free() -> bool:
        if isinstance(found := attempt(), dict):
            return False
        found.release()
        return True

    return is_free


def _who() -> dict[str, Any]:
    who = {"host": host(), "pid": os.getpid(), "since": now()} | process()
    if submission := submission_id():
        who["submission"] = submission
    return who


def _wait(folder: Folder, check: Callable[[], None], waits: bool) -> Claim:
    attempt, warned, pause = folder.claim(_who()), False, EVERY
    check()
    while isinstance(found := attempt(), dict):
        if not waits and found:
            error = ClaimTaken(f"{folder.name} is being made by {described(found)}")
            error.address = folder.uri
            raise error
        if not warned and found:
            log.warning("%s is being made by %s; waiting for it", folder.name, described(found))
            warned = True
        folder.storage.clock.sleep(pause)
        pause = min(pause * 1.2, SELDOM)
        check()
    return found
