"""Samples: images of codes drawn from each prior."""

from html import escape

import numpy as np

from preimage.browsing.page.html import picture
from preimage.browsing.page.session import Session
from preimage.browsing.page.tabs.base import Tab
from preimage.browsing.samples import samples

SHOWN = 18


class SamplesTab(Tab):
    name, title = "samples", "Samples"
    about = (
        "Images decoded from codes that are drawn from each prior. A fitted prior describes the codes that "
        "were found; the generator's own, those that it was trained on."
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._work = session.worker(self.status, slow=True)
        self.seed = 0
        self._seed = self.kit.html(width=100, sizing_mode=None, margin=(5, 0, 0, 4))
        self._rows = self.kit.html()
        self.again = self.kit.button("Again", main=True, name="again")
        self.again.on_click(self._again)
        self.root = self.kit.column(
            self.kit.row(self.again, self._seed), self._rows, self.status, name=self.name
        )

    def refresh(self) -> None:
        if not self._rows.text:
            self._draw()

    def _again(self) -> None:
        self.seed += 1
        self._draw()

    def _draw(self) -> None:
        seed = self.seed
        self._work.ask(lambda: self._make(seed), self._show, "drawing samples")

    def _make(self, seed: int) -> tuple[int, dict[str, np.ndarray]]:
        decoder, subject = self.session.decoder, self.session.subject
        assert decoder
        return seed, {name: decoder.images(samples(subject, name, SHOWN, seed)) for name in subject.priors}

    def _show(self, found: tuple[int, dict[str, np.ndarray]]) -> None:
        seed, images = found
        self._seed.text = f'<span class="hint">seed {seed}</span>'
        rows = [
            f'<h4>{escape(name)}</h4><div class="strip">{"".join(map(picture, made))}</div>'
            for name, made in images.items()
        ]
        self._rows.text = "".join(rows)
