"""Serve pages that change nothing, to browsers that ask for them under a name of this machine."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from preimage.cli.listening import allowed_hosts

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(app: Wsgi, host: str, port: int) -> None:
    """Serve a WSGI application, guarded, until Ctrl-C."""
    guarded_app = guarded(app, allowed_hosts(host))
    with make_server(host, port, guarded_app, _Server, _Quiet) as server, suppress(KeyboardInterrupt):
        server.serve_forever()


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


def _refuse(start: Callable[..., Any], status: str, reason: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps({"reason": reason}).encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...
