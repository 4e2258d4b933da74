"""Serve the page of one subject."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from preimage.browsing.decoder import Decoder
from preimage.browsing.page.application import application
from preimage.browsing.page.guard import Guard
from preimage.browsing.page.pictures import png_of
from preimage.browsing.page.server import PageServer, run
from preimage.browsing.page.session import Browsing
from preimage.browsing.points import Points
from preimage.browsing.subject import Subject
from preimage.storage.folder import Folder

QUICK, SLOW = 2, 3
"""Threads: for what a slider waits for, and for the rest."""


def serve(
    subject: Subject,
    points: Points,
    guard: Guard,
    host: str,
    selections: Folder | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until Ctrl-C. selections: a folder to keep them in. ready: called when requests are answered.

    Raises InversionError if the generator makes no images.
    """
    with ThreadPoolExecutor(QUICK, "quick") as quick, ThreadPoolExecutor(SLOW, "slow") as slow:
        browsing = browsing_of(subject, points, quick, slow, selections)
        server = PageServer(application(browsing), partial(png_of, browsing), guard, host)
        try:
            run(server, ready)
        finally:
            for each in (quick, slow):
                each.shutdown(wait=False, cancel_futures=True)


def browsing_of(
    subject: Subject,
    points: Points,
    quick: ThreadPoolExecutor,
    slow: ThreadPoolExecutor,
    selections: Folder | None = None,
) -> Browsing:
    """What all pages share, with the decoder warmed up."""
    decoder = Decoder(subject) if subject.generator else None
    browsing = Browsing(subject, points, decoder, quick, slow, selections)
    if decoder:
        quick.submit(decoder.principal, decoder.latent_dim)  # the first slider then waits for nothing
    return browsing
