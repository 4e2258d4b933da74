"""One browser tab: what is picked, and who wants to know."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from bokeh.document import Document
from bokeh.models import Div

from preimage.browsing.decoder import Decoder
from preimage.browsing.page.background import Latest
from preimage.browsing.page.html import note
from preimage.browsing.page.kit import Kit
from preimage.browsing.points import Points
from preimage.browsing.subject import Subject
from preimage.latents.priors import Support
from preimage.storage.folder import Folder

T = TypeVar("T")
LETTERS = "ABC"


@dataclass(frozen=True, eq=False)
class Browsing:
    """What all tabs of the browser share.

    quick: threads for what a slider waits for; slow: for the rest. selections: where to keep them; None: the
    browser downloads them.
    """

    subject: Subject
    points: Points
    decoder: Decoder | None
    quick: Executor
    slow: Executor
    selections: Folder | None = None


class Session:
    """The state of one tab of the browser."""

    def __init__(self, document: Document, browsing: Browsing, pictures: str) -> None:
        self.document, self.browsing, self.pictures = document, browsing, pictures
        self.subject, self.points, self.decoder = browsing.subject, browsing.points, browsing.decoder
        self.kit = Kit()
        self.picked: list[int | None] = [None] * len(LETTERS)
        """Image ids of A, B and C."""
        self.turn = 0
        """The letter that the next pick becomes."""
        self.changed: list[Callable[[], None]] = []
        """Called when the picks changed."""
        self._work: list[Latest] = []
        document.on_session_destroyed(self._leave)

    def worker(self, status: Div, slow: bool = False) -> Latest:
        """One kind of work, whose notes are shown in `status`."""

        def say(text: str) -> None:
            kind = "busy" if text.endswith("…") else "wrong"
            status.update(text=note(text, kind), visible=bool(text))

        made = Latest(self.document, self.browsing.slow if slow else self.browsing.quick, say)
        self._work.append(made)
        return made

    def pick(self, image_id: int) -> None:
        """Make an image the next of A, B, C."""
        self.picked[self.turn] = image_id
        free = [place for place, each in enumerate(self.picked) if each is None]
        self.turn = free[0] if free else (self.turn + 1) % len(LETTERS)
        self.tell()

    def clear(self, place: int) -> None:
        self.picked[place], self.turn = None, place
        self.tell()

    def tell(self) -> None:
        for each in self.changed:
            each()

    @property
    def support(self) -> Support:
        """Where the generator's codes lie."""
        own = next(iter(self.subject.priors.values()), None)
        return own.support if own else "anywhere"

    def code_of(self, image_id: int) -> tuple[np.ndarray, int]:
        """An image's code (d,) and label."""
        found = self.subject.codes_of(np.array([image_id]))
        return found.z[0].numpy(), int(found.label[0])

    def codes_of(self, ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Codes (n, d) and labels (n,)."""
        found = self.subject.codes_of(np.array(ids, np.int64))
        return found.z.numpy(), found.label.numpy()

    def name_of(self, image_id: int) -> str:
        """What a user calls an image."""
        if self.subject.pixels is None:
            return f"code {image_id}" if self.subject.store is None else f"image {image_id}"
        return self.subject.pixels.names(np.array([image_id]))[0]

    def knows(self, image_id: int) -> bool:
        """Whether there is a code of it."""
        return bool((self.subject.rows.ids == image_id).any())

    def _leave(self, _context: Any) -> None:
        for each in self._work:
            each.forget()
