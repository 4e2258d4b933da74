"""One process at a time makes a folder, on any machine; a second one waits, then finds it made.

How a folder is claimed is its storage's matter: `file_locks` on a path, `leases` on an object store.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from preimage.storage.folder import Folder
from preimage.storage.host_info import described, host, now, process, submission_id
from preimage.storage.protocol import Claim

log = logging.getLogger(__name__)

EVERY = 0.5
"""Seconds between two attempts, at first."""
SELDOM = 5.0
"""Seconds between two attempts, at last: each may be a request."""


@contextmanager
def claimed(folder: Folder, check: Callable[[], None] = lambda: None) -> Iterator[tuple[Folder, Claim]]:
    """Claim a folder until the block ends or the process dies. While another holds it, warn and wait.

    check: called before each attempt. What it raises ends the waiting, such as ClaimLost of a claim around.
    Yields the folder as its holder has it, whose `commit` is refused once another has taken over, also in
    other processes that it is sent to; and the claim. Raises StorageError if the folder is not writable.
    """
    who = {"host": host(), "pid": os.getpid(), "since": now()} | process()
    if submission := submission_id():
        who["submission"] = submission
    claim = _wait(folder, who, check)
    try:
        yield replace(folder, held=claim.held), claim
    finally:
        claim.release()


def _wait(folder: Folder, who: dict[str, Any], check: Callable[[], None]) -> Claim:
    attempt, warned, pause = folder.claim(who), False, EVERY
    check()
    while isinstance(found := attempt(), dict):
        if not warned and found:
            log.warning("%s is being made by %s; waiting for it", folder.name, described(found))
            warned = True
        folder.storage.clock.sleep(pause)
        pause = min(pause * 1.2, SELDOM)
        check()
    return found
