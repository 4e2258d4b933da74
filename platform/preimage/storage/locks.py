"""One process at a time makes a folder, on whatever machine; a second one waits, then finds it made.

On a path, also one that a network file system brings to several machines, a file is locked: the kernel
releases it when its process dies, however it dies, and no clock is asked. Where storage has no locks (s3://,
gs://), the Ray cluster holds the lock, if this process is in one: see `cluster.locks`.
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
"""The file that is locked; it says who has it, and stays when they are gone."""
EVERY = 0.5
"""Seconds between two attempts."""

Try = Callable[[], Callable[[], None] | dict[str, Any]]
"""Take the lock: how to release it, or else who has it."""

elsewhere: Callable[[str, dict[str, Any]], Try] | None = None
"""How a folder is locked where storage cannot: (address, who) -> Try. Set where there is a cluster."""


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Hold a folder until the block ends or the process dies; wait, and say so, while another has it.

    Raises StorageError where the folder cannot be written in.
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
    said = False
    while True:
        found = attempt()
        if callable(found):
            return found
        if not said:
            log.warning("%s is being made by %s; waiting for it", folder.uri.rsplit("/", 1)[-1], _told(found))
            said = True
        time.sleep(EVERY)


def _told(who: dict[str, Any]) -> str:
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
            log.warning("%s: nothing keeps two processes apart there (%s)", folder, error.strerror)
            return lambda: None
        with suppress(OSError):  # on a full disk it is held without a name
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
            f"cannot write in {folder}: {error.strerror}. Make room or give leave to write there, or choose "
            "another place with results=FOLDER; nothing already made was touched"
        ) from error


def _read(text: bytes) -> dict[str, Any]:
    try:
        who = json.loads(text)
    except ValueError:  # it is being written
        return {}
    return who if isinstance(who, dict) else {}
