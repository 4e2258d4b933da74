"""Bokeh's server in this process, behind the guard."""

import logging
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from secrets import token_bytes, token_urlsafe
from typing import Any

from bokeh.document import Document
from bokeh.resources import Component, Resources
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.platform.asyncio import BaseAsyncIOLoop
from tornado.web import RequestHandler

from preimage.browsing.page.guard import ClosedHeaders, Guard
from preimage.errors import PreimageError

COMPONENTS: list[Component] = ["bokeh", "bokeh-gl", "bokeh-widgets"]
"""Bokeh's server would also send its tables and MathJax, 2 MB that nothing here uses."""
KEPT_MINUTES = 2
"""A page that lost its connection for this long finds its session again."""
PICTURES_AT_ONCE = 2

Draw = Callable[[Document], None]
Picture = Callable[[str, int], bytes]
"""PNG bytes of "image" or "reconstruction" of the point at a place. Raises LookupError if there is none,
PreimageError if it cannot be read."""


class PageServer:
    """The server of one page; every browser tab gets a document of its own.

    draw: fills a new document. picture: what hovering over a point shows.
    """

    def __init__(self, draw: Draw, picture: Picture, guard: Guard, host: str) -> None:
        _quiet()
        self.guard = guard
        self.secret = token_urlsafe(16)
        self._sockets = bind_sockets(guard.port, host, family=socket.AF_UNSPEC)
        self._pool = ThreadPoolExecutor(PICTURES_AT_ONCE, "picture")
        handler = {"picture": picture, "pool": self._pool}
        pattern = rf"/picture/{self.secret}/(image|reconstruction)/(-?\d+)\.png"
        app = GuardedTornado(
            {"/": _with_pictures(draw, f"picture/{self.secret}")},
            guard=guard,
            extra_websocket_origins=["*"],  # the guard compares it with the Host header, for every request
            extra_patterns=[(pattern, PictureHandler, handler)],
            secret_key=token_bytes(32),
            sign_sessions=True,  # only this server makes sessions, and no page can guess another's
            include_headers=[],
            include_cookies=[],
            use_index=False,
            unused_session_lifetime_milliseconds=KEPT_MINUTES * 60_000,
            transforms=[partial(ClosedHeaders, guard=guard)],
        )
        http = HTTPServer(app, max_buffer_size=64 << 20)
        http.add_sockets(self._sockets)
        self._server = BaseServer(IOLoop.current(), app, http)

    def start(self) -> None:
        """Answer requests as soon as the loop of this thread runs."""
        self._server.start()

    def stop(self) -> None:
        self._server.stop(wait=False)
        self._pool.shutdown(wait=False, cancel_futures=True)


def run(server: PageServer, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until Ctrl-C or a termination signal. ready: called when requests are answered."""
    import signal

    server.start()
    loop = IOLoop.current()
    assert isinstance(loop, BaseAsyncIOLoop)
    wake = loop.asyncio_loop.call_soon_threadsafe  # `add_callback` lets an idle loop sleep on, for 17 seconds
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, lambda *_: wake(loop.stop))
    loop.add_callback(ready)
    try:
        loop.start()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        server.stop()


class GuardedTornado(BokehTornado):
    """Bokeh's application, of which every request, WebSockets included, passes the guard first."""

    def __init__(self, applications: Mapping[str, Draw], *, guard: Guard, **settings: Any) -> None:
        self._guard = guard
        super().__init__(applications, **settings)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        if reason := self._guard.refusal(request):
            return self.get_handler_delegate(request, Refuse, {"reason": reason})
        return super().find_handler(request, **kwargs)

    def resources(self, absolute_url: str | bool | None = None) -> Resources:
        """From this server alone, whatever BOKEH_RESOURCES says."""
        from bokeh.server.views.static_handler import StaticHandler

        return Resources(
            mode="server",
            root_url="/",
            path_versioner=StaticHandler.append_version,
            components=COMPONENTS,
        )


class Refuse(RequestHandler):
    def initialize(self, reason: str) -> None:
        self.reason = reason

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self.reason)


class PictureHandler(RequestHandler):
    """One image or its reconstruction, at an address that only the page knows."""

    def initialize(self, picture: Picture, pool: ThreadPoolExecutor) -> None:
        self.picture, self.pool = picture, pool

    async def get(self, kind: str, place: str) -> None:
        try:
            png = await IOLoop.current().run_in_executor(self.pool, self.picture, kind, int(place))
        except (LookupError, PreimageError):
            self.send_error(404)  # whoever picks the point is told why
            return
        self.set_header("Content-Type", "image/png")
        self.set_header("Cache-Control", "private, max-age=3600")
        self.finish(png)


def _with_pictures(draw: Draw, folder: str) -> Draw:
    def drawn(document: Document) -> None:
        document.template_variables["pictures"] = folder
        draw(document)

    return drawn


def _quiet() -> None:
    """Bokeh and Tornado tell of every request and session; only their warnings are of use here."""
    for name in ("bokeh", "tornado.access"):
        logging.getLogger(name).setLevel(logging.ERROR)
