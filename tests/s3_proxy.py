"""A proxy in front of an S3 server: it counts requests, and answers some of them badly."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fault = str | None
"""`drop` or `lose`: close the connection before the request is passed on, or after it; or a status and a code
of S3 to answer with, such as `503 SlowDown`."""


class Proxy:
    def __init__(self, server: str) -> None:
        self.server, self.url = urlsplit(server).netloc, ""
        self.faults: list[Fault] = []
        """Of the next requests, one each."""
        self.away_until = 0.0
        """By time.monotonic(): all connections are closed until then."""
        self.requests: list[str] = []
        """Methods and paths, in order."""

    def next_fault(self) -> Fault:
        if time.monotonic() < self.away_until:
            return "drop"
        return self.faults.pop(0) if self.faults else None


@contextmanager
def proxied(server: str) -> Iterator[Proxy]:
    proxy = Proxy(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            proxy.requests.append(f"{self.command} {self.path}")
            fault = proxy.next_fault()
            if fault and " " in fault:
                status, code = fault.split()
                words = (
                    f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>Its words.</Message></Error>"
                )
                return self.send(int(status), {}, words.encode())
            if fault == "drop":
                self.close_connection = True
                return None
            upstream = http.client.HTTPConnection(proxy.server)
            upstream.request(self.command, self.path, body, dict(self.headers))
            found = upstream.getresponse()
            data = found.read()
            upstream.close()
            if fault == "lose":
                self.close_connection = True
                return None
            return self.send(found.status, dict(found.headers), data)

        def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            headers = {name.lower(): value for name, value in headers.items()}
            if self.command != "HEAD":
                headers["content-length"] = str(len(body))
            for name, value in headers.items():
                if name not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if self.command != "HEAD" else b"")

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815

    server_here = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server_here.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server_here.server_address[1]}"
    threading.Thread(target=server_here.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield proxy
    finally:
        server_here.shutdown()
        server_here.server_close()
