"""One process at a time makes a folder, on any machine; a second one waits, then finds it made.

On a path, network file systems included, this locks a file: the kernel releases the lock when the process
dies, however it dies, and no clock is involved. Where storage has no locks (s3://, gs://), the Ray cluster
holds the lock, if this process is in one: see `cluster.locks`.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from preimage.errors import StorageError
from preimage.storage.folder import Folder
from preimage.storage.host_info import host, now, submission_id

log = logging.getLogger(__name__)

NAME = ".lock"
"""The file that is locked. It names the holder, and stays when the lock is released."""
EVERY = 0.5
"""Seconds between two attempts."""

Try = Callable[[], Callable[[], None] | dict[str, Any]]
"""Try to take the lock. Returns how to release it, or else who holds it."""

elsewhere: Callable[[str, dict[str, Any]], Try] | None = None
"""How to lock a folder whose storage has no locks: (address, who) -> Try. Set on a cluster."""


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Lock a folder until the block ends or the process dies. While another holds it, warn and wait.

    Raises StorageError if the folder is not writable.
    """
    who = {"host": host(), "pid": os.getpid(), "since": now()}
    if submission := submission_id():
        who["submission"] = submission
    if folder.is_local:
        attempt: Try | None = _lock(folder.local, who)
    else:
        attempt = elsewhere(folder.uri, who) if elsewhere else None
    release = _wait(folder, attempt) if attempt else lambda: None
    try:
        yield
    finally:
        release()


def _wait(folder: Folder, attempt: Try) -> Callable[[], None]:
    warned = False
    while True:
        found = attempt()
        if callable(found):
            return found
        if not warned:
            name = folder.uri.rsplit("/", 1)[-1]
            log.warning("%s is being made by %s; waiting for it", name, _described(found))
            warned = True
        time.sleep(EVERY)


def _described(who: dict[str, Any]) -> str:
    if not who:
        return "another process"
    process = f"process {who.get('pid')} on {who.get('host')}, since {who.get('since')}"
    return f"submission {who['submission']} ({process})" if "submission" in who else process


def _lock(folder: Path, who: dict[str, Any]) -> Try:
    def attempt() -> Callable[[], None] | dict[str, Any]:
        file = _open(folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 4096)
            os.close(file)
            return _read(holder)
        except OSError as error:  # a file system without locks
            os.close(file)
            log.warning(
                "%s: this file system has no locks (%s); run only one process there at a time",
                folder,
                error.strerror,
            )
            return lambda: None
        with suppress(OSError):  # on a full disk the lock does not name its holder
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(who).encode(), 0)
        return lambda: os.close(file)

    return attempt


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(
            f"cannot write in {folder}: {error.strerror}. Free some space or allow writing there, or choose "
            "another folder with results=FOLDER; existing files are unchanged"
        ) from error


def _read(text: bytes) -> dict[str, Any]:
    try:
        who = json.loads(text)
    except ValueError:  # it is being written
        return {}
    return who if isinstance(who, dict) else {}
