"""System metrics of the nodes that a run's workers are on."""

import fcntl
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from preimage.cluster.nodes import node_id, this_node
from preimage.config import Resources
from preimage.storage.folder import Folder
from preimage.work.system_watch import SystemWatch

log = logging.getLogger(__name__)

FIRST = 1.0
"""Seconds until a worker's first sample: an actor may be gone before the second."""


def driver_watch(folder: Folder, resources: Resources) -> SystemWatch:
    """A watch of the machine that drives a run. It is named if the run's workers may be on others."""
    if resources.backend == "local":
        return SystemWatch(folder)
    node = this_node()
    return SystemWatch(folder, node.name, named=not node.is_alone)


@dataclass(frozen=True)
class NodeWatch:
    """How a worker watches its node. The driver makes it, and sends it to the workers."""

    folder: Folder
    """Where the run's samples are."""
    driver: str
    """The id of the driver's node, which the driver watches itself."""

    @classmethod
    def from_driver(cls, folder: Folder) -> "NodeWatch":
        return cls(folder, node_id())

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sample this worker's node, unless the driver or another worker of the run does."""
        if node_id() == self.driver:
            yield
            return
        node = this_node()
        turn = Turn(f"{self.folder.uri} {node.id}")
        with turn, SystemWatch(self.folder, node.name, named=True, first=FIRST, leads=turn.is_mine):
            yield


class Turn:
    """Whose turn it is among the processes of this machine that ask for the same thing. As a context.

    The kernel ends a turn when its process dies, however it dies; then another has it.
    """

    def __init__(self, what: str) -> None:
        name = hashlib.sha256(what.encode()).hexdigest()[:16]
        self.path = Path(tempfile.gettempdir()) / f"preimage-{os.getuid()}-{name}.lock"
        self._file: int | None = None
        self._no_locks = False

    def __enter__(self) -> "Turn":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def is_mine(self) -> bool:
        """Whether this process has it, or gets it now."""
        try:
            return self._no_locks or self._file is not None or self._take()
        except OSError as error:  # no such folder, or a file system without locks
            log.warning("cannot lock %s: %s. Each worker here samples the machine.", self.path, error)
            self._no_locks = True
            return True

    def _take(self) -> bool:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.path.exists() and os.path.samestat(os.fstat(file), self.path.stat()):
                self._file, file = file, -1
        except BlockingIOError:
            pass  # another's
        finally:
            if file >= 0:
                os.close(file)
        return self._file is not None
