"""The file of an Optuna journal, which others watch while it grows."""

import json
import logging
from collections.abc import Callable, Iterator
from io import FileIO
from threading import Lock
from typing import Any, Self

from preimage.errors import StorageError
from preimage.storage.folder import Folder

log = logging.getLogger(__name__)

FILE = "optuna.log"
"""The journal in a study's run folder."""
EVERY = 5.0
"""Seconds between two uploads, at least, if the file is not on this machine."""


class JournalFile:
    """A backend for Optuna's JournalStorage: the lines of a file, which is written from them and never read.

    Optuna's own JournalFileBackend writes only to paths, syncs every line, and leaves its lock behind when it
    is killed. Here one process writes, so it needs no lock. As a context: at the beginning the whole file
    replaces what is there. On this machine, each further line is appended at once; elsewhere, the whole file
    is uploaded now and then. A file that cannot be written costs one warning.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self.folder, self.name = folder, name
        self.lines: list[bytes] = []
        self._n_written = 0
        self._stream: FileIO | None = None
        self._warned = False
        self._writing = Lock()
        self._stop: Callable[[], None] = lambda: None

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        return map(json.loads, self.lines[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.lines += [json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in logs]
        if self._n_written and self.folder.is_local:
            self._write()

    def __enter__(self) -> Self:
        self._write()
        if not self.folder.is_local:
            self._stop = self.folder.storage.clock.every(EVERY, self._write)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._write()
        self._close()

    def _write(self) -> None:
        """Write what is new; all of it if it was not written before, or may be there in part."""
        with self._writing:
            lines = self.lines[:]
            try:
                if self._stream:
                    _append(self._stream, b"".join(lines[self._n_written :]))
                elif len(lines) > self._n_written:
                    self.folder.write(self.name, b"".join(lines), durable=False)
                    self._open()
            except (OSError, StorageError) as error:
                self._close()
                self._warn(error)
            else:
                self._n_written = len(lines)

    def _open(self) -> None:
        if self.folder.is_local:
            self._stream = FileIO((self.folder / self.name).local, "a")

    def _close(self) -> None:
        if self._stream:
            self._stream.close()
            self._stream = None

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            log.warning(
                "cannot keep %s up to date: %s. The study goes on; who watches it there sees less.",
                self.folder / self.name,
                error,
            )
            self._warned = True


def _append(stream: FileIO, data: bytes) -> None:
    if stream.write(data) != len(data):
        raise OSError("the disk took only a part")
