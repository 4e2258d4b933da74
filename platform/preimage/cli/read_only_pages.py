"""Serve pages that change nothing, to browsers that ask for them under a name of this machine."""

import ipaddress
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

LOCAL = ("127.0.0.1", "localhost")
LOCAL_HOSTS = "localhost,localhost:*,127.0.0.1,127.0.0.1:*"
"""The host names that pages are served under, also through a tunnel. MLflow's own list has `10.*` and others,
which also match names like 10.example.com: a page under such a name could make a browser read ours."""
HOSTS = "MLFLOW_SERVER_ALLOWED_HOSTS"
"""The variable with other names, for MLflow's pages and for these."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(app: Wsgi, host: str, port: int) -> None:
    """Serve a WSGI application, guarded, until Ctrl-C."""
    guarded_app = guarded(app, allowed_hosts(host))
    with make_server(host, port, guarded_app, _Server, _Quiet) as server, suppress(KeyboardInterrupt):
        server.serve_forever()


def allowed_hosts(host: str) -> Callable[[str], bool]:
    """Which Host headers are answered by pages at an address: as for MLflow's, but for names that only look
    like private addresses."""
    named = os.environ.get(HOSTS)
    patterns = [each.strip() for each in (named or LOCAL_HOSTS).split(",")]
    private = not named and host not in LOCAL

    def is_allowed(header: str) -> bool:
        return any(fnmatchcase(header, each) for each in patterns) or (private and _is_private(header))

    return is_allowed


def guarded(app: Wsgi, is_allowed: Callable[[str], bool]) -> Wsgi:
    """An application of which other sites' pages see nothing, and which is only asked to show things.

    is_allowed: whether to answer a request with this Host header.
    """

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if not is_allowed(environ.get("HTTP_HOST", "")):
            return _refuse(start, "403 Forbidden", "These pages are not served under that name.")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _refuse(start, "405 Method Not Allowed", "Nothing can be changed here.")

        def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start(status, _closed(headers), *error)

        return app(environ, begin)

    return answer


def _closed(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers that neither let other sites read what is served, nor a browser guess what it is."""
    kept = [(name, value) for name, value in headers if name.lower() != "access-control-allow-origin"]
    return [*kept, ("X-Content-Type-Options", "nosniff")]


def _is_private(header: str) -> bool:
    host = header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def _refuse(start: Callable[..., Any], status: str, reason: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps({"reason": reason}).encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...
