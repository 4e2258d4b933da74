"""Claims by locked files, network file systems included. The kernel releases the lock when the process dies,
however it dies, and no clock is involved."""

import fcntl
import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preimage.storage.protocol import Attempt, Claim

log = logging.getLogger(__name__)

NAME = ".lock"
"""The file that is locked. It names the holder, and stays when the lock is released."""


@dataclass(frozen=True)
class _FileLock:
    file: int
    held: None = None

    def check(self) -> None: ...

    def release(self) -> None:
        os.close(self.file)


@dataclass(frozen=True)
class Unclaimed:
    """Where storage knows neither locks nor conditional writes."""

    held: None = None

    def check(self) -> None: ...
    def release(self) -> None: ...


def unclaimed(address: str, why: str) -> Attempt:
    """A claim that keeps nobody else away, which it says."""

    def attempt() -> Claim:
        log.warning("%s: %s; run only one process there at a time", address, why)
        return Unclaimed()

    return attempt


def try_lock(folder: Path, who: dict[str, Any]) -> Attempt:
    """How to lock a folder of this machine, which exists. Raises OSError if it is not writable."""

    def attempt() -> Claim | dict[str, Any]:
        file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 4096)
            os.close(file)
            return read_holder(holder)
        except OSError as error:  # a file system without locks
            os.close(file)
            return unclaimed(str(folder), f"this file system has no locks ({error.strerror})")()
        if not _is_at(file, folder / NAME):  # the folder was removed meanwhile, and with it this lock
            os.close(file)
            return {}
        with suppress(OSError):  # on a full disk the lock does not name its holder
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(who).encode(), 0)
        return _FileLock(file)

    return attempt


def holder(folder: Path) -> dict[str, Any] | None:
    """Who holds the lock of a folder now; None if nobody does. Shares it for a moment."""
    try:
        file = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(os.read(file, 4096))
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(file)
    return None


def _is_at(file: int, path: Path) -> bool:
    try:
        found, here = os.fstat(file), os.stat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (here.st_dev, here.st_ino)


def read_holder(text: bytes) -> dict[str, Any]:
    """Who holds a lock, as its file says; empty while that is being written."""
    try:
        who = json.loads(text)
    except ValueError:
        return {}
    return who if isinstance(who, dict) else {}
