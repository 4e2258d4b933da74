"""Similar: the codes nearest to A's."""

import numpy as np

from preimage.browsing.neighbours import Neighbours, nearest
from preimage.browsing.page.html import note, number, strip
from preimage.browsing.page.pictures import Pairs, pairs, thumbnails
from preimage.browsing.page.session import Browsing, Session
from preimage.browsing.page.tabs.base import Tab

SHOWN = 32


class SimilarTab(Tab):
    name, title = "similar", "Similar"
    about = "The codes nearest to that of A, with their Euclidean distances. Click one to pick it."

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._work = session.worker(self.status, slow=True)
        self._found = self.kit.html()
        self.root = self.kit.column(self.status, self._found, name=self.name)

    @staticmethod
    def off(browsing: Browsing) -> str | None:
        """Nearest codes can be named without a generator and without images."""
        return None

    def refresh(self) -> None:
        picked = self.session.picked[0]
        if picked is None:
            self._work.cancel()
            self._found.text = note("Pick an image on the map: A.")
            return
        self._work.ask(lambda: self._find(picked), self._show, "comparing all codes")

    def _find(self, picked: int) -> tuple[Neighbours, Pairs]:
        subject = self.session.subject
        code, _ = self.session.code_of(picked)
        codes = subject.store or ((some.image_id, some.z) for some in subject.batches(("z",)))
        found = nearest(codes, code, SHOWN + 1)
        kept = found.ids != picked
        found = Neighbours(found.ids[kept][:SHOWN], found.distances[kept][:SHOWN])
        return found, pairs(self.session.browsing, np.asarray(found.ids), both=False)

    def _show(self, found: tuple[Neighbours, Pairs]) -> None:
        near, some = found
        captions = [number(float(each)) for each in near.distances]
        self._found.text = strip(thumbnails(some, captions))
