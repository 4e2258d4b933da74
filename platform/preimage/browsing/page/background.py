"""Work off the loop that answers the browser, of which only the newest request matters."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

from bokeh.document import Document

from preimage.errors import PreimageError

T = TypeVar("T")
log = logging.getLogger(__name__)
UNEXPECTED = "this failed, and should not have: the terminal of `preimage browse` shows the error"


class Latest:
    """One kind of work of one browser tab. A new request cancels the one before.

    say: shows a note while it works, empty when it is done, or what was wrong.
    """

    def __init__(self, document: Document, pool: Executor, say: Callable[[str], None]) -> None:
        self._document, self._pool, self._say = document, pool, say
        self._number = 0

    def ask(self, work: Callable[[], T], show: Callable[[T], None], saying: str = "working") -> None:
        """Do the work in a thread, then show its result in the loop."""
        self.follow(lambda: iter([work()]), show, saying)

    def follow(
        self, steps: Callable[[], Iterator[T]], show: Callable[[T], None], saying: str = "working"
    ) -> None:
        """The same of work that gives better and better results: each is shown, until the next request. The
        iterator is closed in its own thread."""
        self._number += 1
        number = self._number
        self._say(f"{saying} …")
        self._pool.submit(self._work, number, steps, show)

    def cancel(self) -> None:
        """Show nothing more of what was asked for."""
        self._number += 1
        self._say("")

    def forget(self) -> None:
        """As cancel, of a tab that is closed."""
        self._number += 1

    def _work(self, number: int, steps: Callable[[], Iterator[T]], show: Callable[[T], None]) -> None:
        if number != self._number:
            return
        note = ""
        try:
            for result in (found := steps()):
                if number != self._number:
                    getattr(found, "close", lambda: None)()
                    return
                self._later(number, lambda result=result: show(result))
        except PreimageError as error:
            note = str(error)
        except Exception:  # a bug of ours: said in both places, and the page lives on
            log.exception("the page of `preimage browse` met an error")
            note = UNEXPECTED
        self._later(number, lambda: self._say(note))

    def _later(self, number: int, act: Callable[[], None]) -> None:
        def if_current() -> None:
            if number == self._number:
                act()

        if number == self._number:
            self._document.add_next_tick_callback(if_current)
