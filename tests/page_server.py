"""The server of `preimage browse` in a thread of the test's own process, and something to browse."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from tornado.ioloop import IOLoop

import preimage
from mlflow_server import free_port
from preimage.browsing.page.application import application
from preimage.browsing.page.guard import Guard
from preimage.browsing.page.pictures import png_of
from preimage.browsing.page.serve import browsing_of
from preimage.browsing.page.server import PageServer
from preimage.browsing.points import points_of
from preimage.cli.listening import allowed_hosts
from preimage.library.browse import open_subject

SPEC = {
    "job": "pca",
    "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 300},
    "latent_dim": 8,
    "tracking": {"uri": "none"},
    "resources": {"backend": "local"},
}


def pca_of_digits(folder):
    """Codes, images and a linear generator of 300 digits: all that a page shows."""
    outcome = preimage.run(SPEC, results=str(folder))
    return open_subject(outcome.run, str(folder))


@contextmanager
def served(draw, picture, host="127.0.0.1", token=None):
    """A server that takes itself to be on `host`."""
    found, ready = {}, threading.Event()

    def run():
        asyncio.set_event_loop(asyncio.new_event_loop())
        guard = Guard(allowed_hosts(host), token, free_port())
        found["server"] = server = PageServer(draw, picture, guard, "127.0.0.1")
        found["loop"] = loop = IOLoop.current()
        server.start()
        loop.add_callback(ready.set)
        loop.start()
        server.stop()
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield found["server"]
    finally:
        found["loop"].add_callback(found["loop"].stop)
        thread.join(30)


@contextmanager
def browsed(subject, selections=None):
    """The address of a subject's page."""
    with ThreadPoolExecutor(2) as quick, ThreadPoolExecutor(2) as slow:
        browsing = browsing_of(subject, points_of(subject, "pca"), quick, slow, selections)
        with served(application(browsing), partial(png_of, browsing)) as server:
            yield f"http://127.0.0.1:{server.guard.port}/"
