"""Walk: from A to B, and A - B + C."""

from typing import Literal

import numpy as np

from preimage.browsing.page.html import blank, note, picture
from preimage.browsing.page.session import LETTERS, Session
from preimage.browsing.page.tabs.base import Tab
from preimage.browsing.walks import arithmetic, usual_way, walk

PICK = "Pick two images on the map, A and B; a third, C, for the sum."
STEPS = 9
FINE = 49
"""Steps of the slider, which are decoded together."""


class WalkTab(Tab):
    name, title = "walk", "Walk"
    about = (
        "The images between A and B, decoded from the codes on the way, and the sum A − B + C of three codes."
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._work = session.worker(self.status)
        ways = ["linear", "spherical"]
        prior = next(iter(session.subject.priors), None)
        self.way = self.kit.choice(["Straight line", "Around the origin"], ways.index(usual_way(prior)))
        self.way.on_change("active", lambda _name, _old, _new: self.refresh())
        self._strip, self._sum = self.kit.html(), self.kit.html()
        self._large = self.kit.html(width=170, sizing_mode=None)
        self.slider = self.kit.slider(
            "from A to B", 0, 1, 0.5, 1 / (FINE - 1), name="walk-slider", format="0.00"
        )
        self.slider.on_change("value", lambda _name, _old, _new: self._slide())
        self._images: np.ndarray | None = None
        self.root = self.kit.column(
            self.way,
            self._strip,
            self.slider,
            self.kit.row(self._large, self._sum, spacing=20),
            self.status,
            name=self.name,
        )

    def refresh(self) -> None:
        picked = list(self.session.picked)
        how: Literal["linear", "spherical"] = "spherical" if self.way.active else "linear"
        if None in picked[:2]:
            self._work.cancel()
            self._images = None
            self._strip.text = note(PICK)
            self._large.text = self._sum.text = ""
            self.slider.visible = False
            return
        self._work.ask(lambda: self._make([each for each in picked if each is not None], how), self._show)

    def _make(
        self, ids: list[int], how: Literal["linear", "spherical"]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        decoder = self.session.decoder
        assert decoder
        codes, labels = self.session.codes_of(ids)
        known = bool((labels >= 0).all())
        support = self.session.support
        on_way = walk(codes[0], codes[1], FINE, how, support)
        of_way = np.where(np.linspace(0, 1, FINE) < 0.5, labels[0], labels[1]) if known else None
        images = decoder.images(on_way, of_way)
        if len(ids) < len(LETTERS):
            return images, None
        a, b, c = codes
        terms = np.stack([a, b, c, arithmetic(a, b, c, support)])
        return images, decoder.images(terms, np.array([*labels, labels[2]]) if known else None)

    def _show(self, found: tuple[np.ndarray, np.ndarray | None]) -> None:
        self._images, terms = found
        places = np.linspace(0, FINE - 1, STEPS).round().astype(int)
        captions = ["A", *["\u00a0"] * (STEPS - 2), "B"]
        shown = [picture(self._images[each], text) for each, text in zip(places, captions, strict=True)]
        self._strip.text = f'<div class="strip one">{"".join(shown)}</div>'
        self.slider.visible = True
        self._slide()
        self._sum.text = f"<h4>A − B + C</h4>{_equation(terms)}"

    def _slide(self) -> None:
        if self._images is not None:
            place = round(self.slider.value * (FINE - 1))
            self._large.text = picture(self._images[place], size="face")


def _equation(terms: np.ndarray | None) -> str:
    if terms is None:
        places = [blank(letter, "term") for letter in LETTERS]
        return f'<div class="equation">{places[0]} − {places[1]} + {places[2]}</div>' + (
            note("Pick a third image, C.")
        )
    a, b, c, total = (
        picture(each, text, size="term") for each, text in zip(terms, [*LETTERS, "their sum"], strict=True)
    )
    return f'<div class="equation">{a} − {b} + {c} = {total}</div>'
