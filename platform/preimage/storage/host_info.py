"""User, host, time and submission of this process, for records that people read."""

import os
import socket
from datetime import UTC, datetime
from getpass import getuser

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
    return address.rstrip("/").rsplit("/", 1)[-1] if address else None
