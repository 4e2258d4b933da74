"""Where the pages of `ui` and `browse` are served, and under which names."""

import ipaddress
import os
from collections.abc import Callable
from fnmatch import fnmatchcase

LOCAL = ("127.0.0.1", "localhost")
LOCAL_HOSTS = "localhost,localhost:*,127.0.0.1,127.0.0.1:*"
"""The host names that pages are served under, also through a tunnel. MLflow's own list has `10.*` and others,
which also match names like 10.example.com: a page under such a name could make a browser read ours."""
HOSTS = "MLFLOW_SERVER_ALLOWED_HOSTS"
"""The variable with other names, for MLflow's pages and for these."""


def allowed_hosts(host: str) -> Callable[[str], bool]:
    """Which Host headers are answered by pages at an address: as for MLflow's, but for names that only look
    like private addresses."""
    named = os.environ.get(HOSTS)
    patterns = [each.strip() for each in (named or LOCAL_HOSTS).split(",")]
    private = not named and host not in LOCAL

    def is_allowed(header: str) -> bool:
        return any(fnmatchcase(header, each) for each in patterns) or (private and _is_private(header))

    return is_allowed


def require_free(host: str, port: int) -> None:
    """Raise TrackingError if nothing can be served there."""
    import socket

    from preimage.errors import TrackingError

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise TrackingError(
                f"cannot listen on {host}:{port} ({error.strerror}): choose another --port, or "
                "give an address of this machine as --host"
            ) from error


def _is_private(header: str) -> bool:
    host = header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
