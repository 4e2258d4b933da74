"""Whom the page's server answers, asked by real requests."""

import asyncio
import http.client
import os
import signal
import threading
import time

import pytest
from bokeh.models import Div
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from mlflow_server import free_port
from page_server import served
from preimage.browsing.page.guard import CLOSED, Guard, guard_of
from preimage.browsing.page.server import PageServer, run
from preimage.cli.listening import LOCAL, allowed_hosts, require_free
from preimage.errors import DataError

PIXEL = b"\x89PNG the pixel"
TOKEN = "a-token-of-the-page"


def draw(document):
    document.add_root(Div(text="the page"))
    document.title = "the page"


def picture(kind, place):
    if place > 10:
        raise DataError("its images are gone")
    if place > 3:
        raise LookupError(place)
    return PIXEL


@pytest.fixture(scope="module")
def server():
    with served(draw, picture) as found:
        yield found


@pytest.fixture(scope="module")
def with_token():
    """As on a network: an address that is not this machine's alone."""
    with served(draw, picture, "0.0.0.0", TOKEN) as found:
        yield found


def ask(server, path="/", method="GET", **headers):
    """Status, headers and body. Underscores stand for the dashes of headers."""
    port = server.guard.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        given = {"Host": f"localhost:{port}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, headers=given)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode("latin-1")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{}", 200),
        ("127.0.0.1:{}", 200),
        ("localhost:1", 200),  # through a tunnel
        ("page.example:{}", 403),
        ("localhost.page.example:{}", 403),
        ("10.0.0.1:{}", 403),
        ("10.page.example:{}", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/static/js/bokeh.min.js"])
def test_only_names_of_this_machine_are_answered(server, host, status, path):
    assert ask(server, path, Host=host.format(server.guard.port))[0] == status


def test_every_answer_tells_browsers_to_keep_it_to_themselves(server):
    for path in ("/", "/static/js/bokeh.min.js", "/nothing", f"/picture/{server.secret}/image/1.png"):
        status, headers, _ = ask(server, path)
        assert {name: headers[name.lower()] for name in CLOSED} == CLOSED, (path, status)
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_is_changed(server, method):
    assert ask(server, "/", method)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/autoload.js?bokeh-autoload-element=1",
        "/metadata",
        "/static/../../../etc/passwd",
        "/static/js/../../../../../../etc/passwd",
        "/static/js/%2e%2e/%2e%2e/server.py",
        "/static/extensions/x/y.js",
        "/picture/guessed/image/1.png",
        "/picture/image/1.png",
        "//etc/passwd",
    ],
)
def test_nothing_else_is_served(server, path):
    status, _, body = ask(server, path)
    assert status in (403, 404)
    assert "root:" not in body


def test_a_picture_is_served_to_the_page_alone(server):
    at = f"/picture/{server.secret}/image"
    assert ask(server, f"{at}/1.png")[::2] == (200, PIXEL.decode("latin-1"))
    assert ask(server, f"{at}/9.png")[0] == 404
    assert ask(server, f"{at}/11.png")[0] == 404
    assert ask(server, f"{at}/1.png", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://page.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    ],
)
def test_another_site_s_page_gets_nothing(server, headers):
    assert ask(server, "/", **headers)[0] == 403


def test_a_link_may_lead_to_the_page(server):
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert ask(server, "/", **link)[0] == 200


def session_token(page):
    return page.split('"token":"')[1].split('"')[0]


def connect(server, token, origin=None, cookie=None):
    """Whether a WebSocket with a session's token opens and stays open."""
    port = server.guard.port
    headers = {"Host": f"localhost:{port}"} | ({"Origin": origin} if origin else {})
    headers |= {"Cookie": cookie} if cookie else {}

    async def attempt():
        request = HTTPRequest(f"ws://localhost:{port}/ws", headers=headers)
        try:
            socket = await websocket_connect(request, subprotocols=["bokeh", token])
        except HTTPClientError as error:
            return error.code
        first = await socket.read_message()
        socket.close()
        return "closed" if first is None else "open"

    return asyncio.run(attempt())


def test_a_websocket_opens_for_the_page_itself(server):
    token = session_token(ask(server)[2])
    assert connect(server, token, f"http://localhost:{server.guard.port}") == "open"


@pytest.mark.parametrize("origin", ["https://page.example", "http://localhost:1", "null", None])
def test_no_other_page_opens_a_websocket(server, origin):
    assert connect(server, session_token(ask(server)[2]), origin) == 403


def test_a_session_that_the_server_did_not_sign_is_closed(server):
    token = session_token(ask(server)[2])
    body, _, signature = token.rpartition(".")
    forged = f"{body}.{'A' * len(signature)}"
    assert connect(server, forged, f"http://localhost:{server.guard.port}") == "closed"


def test_elsewhere_the_page_asks_for_its_token(with_token):
    assert ask(with_token)[0] == 403
    assert ask(with_token, "/?token=wrong")[0] == 403
    assert ask(with_token, "/?token=")[0] == 403
    assert ask(with_token, "/static/js/bokeh.min.js")[0] == 403
    assert ask(with_token, f"/picture/{with_token.secret}/image/1.png")[0] == 403
    status, headers, body = ask(with_token, f"/?token={TOKEN}")
    assert (status, "the page" in body) == (200, True)
    cookie = headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {each.strip() for each in cookie.split(";")}
    assert TOKEN not in body
    shown = cookie.split(";")[0]
    assert ask(with_token, "/static/js/bokeh.min.js", Cookie=shown)[0] == 200
    assert ask(with_token, "/", Cookie=shown.replace(TOKEN, "wrong"))[0] == 403


def test_elsewhere_a_websocket_asks_for_the_token_too(with_token):
    _, headers, body = ask(with_token, f"/?token={TOKEN}")
    origin = f"http://localhost:{with_token.guard.port}"
    assert connect(with_token, session_token(body), origin) == 403
    assert connect(with_token, session_token(body), origin, headers["set-cookie"].split(";")[0]) == "open"


def test_a_refused_request_gets_no_cookie(with_token):
    refused = ask(with_token, f"/?token={TOKEN}", Host="page.example")
    assert refused[0] == 403
    assert "set-cookie" not in refused[1]


def test_a_token_is_long_and_new_and_only_asked_for_off_this_machine():
    def token(host):
        return guard_of(lambda _header: True, LOCAL, host, 5006).token

    assert [token(each) for each in LOCAL] == [None, None]
    assert len(token("0.0.0.0") or "") >= 43
    assert token("0.0.0.0") != token("0.0.0.0")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_wakes_and_ends_an_idle_server(sign):
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        server = PageServer(draw, picture, Guard(allowed_hosts("127.0.0.1"), None, free_port()), "127.0.0.1")
        before = signal.getsignal(sign)
        later = threading.Timer(0.5, os.kill, (os.getpid(), sign))  # by then the loop sleeps until 17 s
        began = time.monotonic()
        run(server, ready=later.start)
        assert time.monotonic() - began < 10
        assert signal.getsignal(sign) is before
    asyncio.set_event_loop(None)
    require_free("127.0.0.1", server.guard.port)
