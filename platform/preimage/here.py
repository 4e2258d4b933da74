"""Who, where and when: of this process, for records that people read."""

import os
import socket
from datetime import UTC, datetime
from getpass import getuser


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
