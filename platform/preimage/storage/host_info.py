"""User, host, time and submission of this process, for records that people read."""

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from getpass import getuser
from typing import Any

from preimage.storage.address import name_of

SUBMISSION = "PREIMAGE_SUBMISSION"
"""The environment variable that holds the submission's folder in a submitted job's processes."""


def user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # an id without a name, as in containers
        return str(os.getuid())


def host() -> str:
    return socket.gethostname()


def now() -> str:
    """UTC to the second, by this machine's clock: never compare it with another machine's."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def submission_id() -> str | None:
    """The submission that this process works for."""
    address = os.environ.get(SUBMISSION)
    return name_of(address) if address else None


def process() -> dict[str, Any]:
    """What tells this process from all others, those of other machines and containers included."""
    _, started = _state(os.getpid())
    return {"boot": _boot(), "pids": _pids(), "pid": os.getpid(), "started": started}


def is_gone(who: Mapping[str, Any]) -> bool:
    """Whether a process, as `process` describes it, was of this machine and has ended. False if unsure."""
    here = who.get("boot") == _boot() != "" and who.get("pids") == _pids() != ""
    pid, started = who.get("pid"), who.get("started")
    if not here or not started or not isinstance(pid, int) or pid <= 0:
        return False
    state, found = _state(pid)
    return not _exists(pid) if not found else state in "ZX" or found != started


def described(who: Mapping[str, Any]) -> str:
    """The holder of a claim, in words."""
    if not who:
        return "a process that is not known"
    process = f"process {who.get('pid')} on {who.get('host')}, since {who.get('since')}"
    return f"submission {who['submission']} ({process})" if "submission" in who else process


def _boot() -> str:
    return _first_line("/proc/sys/kernel/random/boot_id")


def _pids() -> str:
    """The namespace of process ids: another container's has others."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _state(pid: int) -> tuple[str, str]:
    """What a process does, Z or X if it has ended, and when it was started, in ticks since the machine was.
    Empty if there is none, or if it is another user's and hidden."""
    fields = _first_line(f"/proc/{pid}/stat").rpartition(")")[2].split()  # its name may hold spaces
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _first_line(path: str) -> str:
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return ""
