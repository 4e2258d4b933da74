"""Who, where, when and for whom: of this process, for records that people read."""

import os
import socket
from datetime import UTC, datetime
from getpass import getuser

SUBMISSION = "PREIMAGE_SUBMISSION"
"""The variable of a submitted job's processes that holds its submission's folder."""


def user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # an id without a name, as in containers
        return str(os.getuid())


def host() -> str:
    return socket.gethostname()


def now() -> str:
    """UTC, to the second, as this machine has it: never to be compared with another machine's."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def submission_id() -> str | None:
    """The submission that this process works for."""
    address = os.environ.get(SUBMISSION)
    return address.rstrip("/").rsplit("/", 1)[-1] if address else None
