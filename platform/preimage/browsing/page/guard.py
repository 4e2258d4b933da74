"""Which requests the page's server answers: its own page's, and no other site's."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from urllib.parse import urlsplit

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

PATHS = ("/", "/ws", "/favicon.ico")
FOLDERS = ("/static/js/", "/picture/")
"""Everything that is served. Bokeh's own /autoload.js, which is made for other sites, is not."""


@dataclass(frozen=True)
class Guard:
    """The rules of one server.

    is_allowed: whether to answer a request with this Host header.
    token: what a browser must show, first in the address (?token=), then in a cookie; None asks for none.
    port: cookies do not know ports, so the cookie's name does.
    """

    is_allowed: Callable[[str], bool]
    token: str | None
    port: int

    @property
    def cookie(self) -> str:
        return f"preimage-browse-{self.port}"

    def refusal(self, request: HTTPServerRequest) -> str | None:
        """Why a request is not answered; None if it is."""
        headers = request.headers
        if len(headers.get_list("Host")) != 1 or not self.is_allowed(headers["Host"]):
            return "This page is not served under that name."
        if request.method not in ("GET", "HEAD"):
            return "Nothing can be changed here."
        if request.path not in PATHS and not request.path.startswith(FOLDERS):
            return "There is no such page."
        if is_foreign(headers, is_socket=request.path == "/ws"):
            return "Other sites' pages may not read this one."
        if self.token and not self.knows_token(request):
            return (
                "Open the address that `preimage browse` printed: it holds the token that this page asks for."
            )
        return None

    def knows_token(self, request: HTTPServerRequest) -> bool:
        cookie = request.cookies.get(self.cookie)
        return self._in_address(request) or bool(self.token and cookie and _equal(cookie.value, self.token))

    def cookie_for(self, request: HTTPServerRequest) -> str | None:
        """What a browser that opened the printed address shows from then on, to this page alone."""
        if not self._in_address(request) or self.refusal(request):
            return None
        return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def _in_address(self, request: HTTPServerRequest) -> bool:
        shown = [value.decode("latin-1") for value in request.query_arguments.get("token", [])]
        return bool(self.token) and any(_equal(each, self.token or "") for each in shown)


def guard_of(is_allowed: Callable[[str], bool], hosts: Sequence[str], host: str, port: int) -> Guard:
    """The rules of a server that listens on `host`. hosts: those that need no token, as only this machine's
    programs reach them."""
    return Guard(is_allowed, None if host in hosts else token_urlsafe(32), port)


def is_foreign(headers: HTTPHeaders, is_socket: bool) -> bool:
    """Whether another site's page makes a browser ask. Opening a link to the page's own address is not that.

    A WebSocket is outside of browsers' same-origin policy: what asks for one must say that it is this page.
    """
    origin = headers.get("Origin")
    if (is_socket or origin is not None) and urlsplit(origin or "").netloc.lower() != headers["Host"].lower():
        return True
    site = headers.get("Sec-Fetch-Site", "none")  # browsers of before 2023 send none
    is_link = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return site not in ("none", "same-origin") and not (is_link and not is_socket)


class ClosedHeaders(OutputTransform):
    """Headers by which a browser shows the page to its user alone, and loads nothing from elsewhere."""

    def __init__(self, request: HTTPServerRequest, guard: Guard) -> None:
        super().__init__(request)
        self._cookie = guard.cookie_for(request)

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        for name in ("Access-Control-Allow-Origin", "Server"):
            headers.pop(name, None)
        headers.update(CLOSED)
        if self._cookie:
            headers.add("Set-Cookie", self._cookie)
        return status_code, headers, chunk


# Bokeh's templates hold scripts and styles of their own, and its CustomJS compiles the page's.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
CLOSED = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _equal(shown: str, token: str) -> bool:
    """In a time that tells nothing about the token."""
    return hmac.compare_digest(shown.encode(), token.encode())
