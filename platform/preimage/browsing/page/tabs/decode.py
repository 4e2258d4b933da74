"""Decode: sliders along directions, and the image that they make."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.events import MouseMove
from bokeh.models import Slider

from preimage.browsing.directions import Directions
from preimage.browsing.page.html import note, picture
from preimage.browsing.page.map_view import MapView
from preimage.browsing.page.session import Session
from preimage.browsing.page.tabs.base import Tab
from preimage.errors import PreimageError

SLIDERS = 6
"""Of each kind."""
REACH = 3.0
"""Standard deviations to either side."""
NEAR = 4
"""Codes between which the cursor interpolates."""


@dataclass(frozen=True, eq=False)
class Base:
    """The code that the sliders start from, and its most sensitive directions."""

    code: np.ndarray
    label: int
    sensitive: Directions | None
    units: np.ndarray
    """The codes' standard deviation along each of these."""
    wrong: str
    """Why there are none."""


class DecodeTab(Tab):
    name, title = "decode", "Decode"
    about = (
        "Move through the latent space from image A, or from the codes' mean: along the directions in which "
        "the codes vary most, and those in which the image changes most. One unit is a standard deviation of "
        "the codes."
    )

    def __init__(self, session: Session, view: MapView) -> None:
        super().__init__(session)
        origin = np.zeros(session.subject.latent_dim, np.float32)
        self._view, self._base = view, Base(origin, -1, None, np.zeros(0), "")
        self._principal: Directions | None = None
        self._resetting = False
        self._image, self._beside = self.kit.html(width=250, sizing_mode=None), self.kit.html()
        self._decoding, self._opening = session.worker(self.status), session.worker(self.status, slow=True)
        count = min(SLIDERS, session.subject.latent_dim)
        self.main, self.sensitive = (self._sliders(count, kind) for kind in ("principal", "sensitive"))
        self._head = self.kit.html(MAIN)
        reset, step = self.kit.button("Reset"), self.kit.button("Random step")
        self._follow = self.kit.check("Follow the cursor on the map")
        reset.on_click(self.reset)
        step.on_click(self.random_step)
        view.figure.on_event(MouseMove, self._moved)
        left = self.kit.column(self._image, self.kit.row(reset, step), self._follow, self._beside)
        left.update(width=250, sizing_mode=None)
        self.wrong = self.kit.html()
        right = [
            self.kit.column(self._head, *self.main, spacing=0),
            self.kit.column(self.kit.html(SENSITIVE), self.wrong, *self.sensitive, spacing=0),
        ]
        self.root = self.kit.column(self.kit.row(left, *right, spacing=16), self.status, name=self.name)

    def refresh(self) -> None:
        """Start from A, with all sliders at zero."""
        picked = self.session.picked[0]
        self._opening.ask(lambda: self._open(picked), self._opened, "looking for the directions")

    def reset(self) -> None:
        self._set([0.0] * len(self.main), [0.0] * len(self.sensitive))

    def random_step(self) -> None:
        """Move all sliders a little."""
        draw = np.random.default_rng()
        values = [
            [each.value + float(draw.normal()) * 0.6 for each in part] for part in (self.main, self.sensitive)
        ]
        self._set(*([float(np.clip(round(each, 2), -REACH, REACH)) for each in part] for part in values))

    def code(self) -> np.ndarray:
        """The code (d,) that the sliders stand for."""
        code, base, main = self._base.code.astype(np.float64), self._base, self._principal
        if main is not None:
            code = code + _steps(self.main, main.scales) @ main.vectors
        if base.sensitive is not None:
            code = code + _steps(self.sensitive, base.units) @ base.sensitive.vectors
        return code.astype(np.float32)

    def _open(self, picked: int | None) -> tuple[Directions, Base, np.ndarray | None]:
        decoder = self.session.decoder
        assert decoder
        whole, units = decoder.principal(self.session.subject.latent_dim), np.zeros(0)
        code, label = (whole.centre, -1) if picked is None else self.session.code_of(picked)
        try:
            sensitive, wrong = decoder.sensitive(code, len(self.sensitive), label if label >= 0 else None), ""
            units = np.sqrt((sensitive.vectors @ whole.vectors.T) ** 2 @ whole.scales**2)
        except PreimageError as error:
            sensitive, wrong = None, str(error)
        original = None
        if picked is not None and self.session.subject.pixels:
            original = self.session.subject.pixels.images(np.array([picked]))[0]
        return whole.first(len(self.main)), Base(code, label, sensitive, units, wrong), original

    def _opened(self, found: tuple[Directions, Base, np.ndarray | None]) -> None:
        self._principal, self._base, original = found
        self._beside.text = picture(original, "image A", size="middle") if original is not None else ""
        alike = self._principal.alike
        self._head.text = ALIKE if alike else MAIN
        for sliders, directions in ((self.main, self._principal), (self.sensitive, self._base.sensitive)):
            for place, each in enumerate(sliders):
                each.disabled = directions is None or place >= len(directions)
                if directions is not None and place < len(directions):
                    share = "" if alike and sliders is self.main else _share(directions.share[place])
                    each.title = f"{place + 1}{share}"
        self.wrong.text = note(self._base.wrong, "wrong")
        self.reset()

    def _decode(self) -> None:
        code, label = self.code(), self._base.label
        self._decoding.ask(lambda: self._made(code, label), self._show)

    def _made(self, code: np.ndarray, label: int) -> np.ndarray:
        decoder = self.session.decoder
        assert decoder
        return decoder.images(code[None], np.array([label]) if label >= 0 else None)[0]

    def _show(self, image: np.ndarray) -> None:
        self._image.text = picture(image, size="large")

    def _moved(self, event: Any) -> None:
        if not self._follow.active or not len(self.session.points):
            return
        x, y = event.x, event.y
        places = self._view.nearest(x, y, min(NEAR, len(self.session.points)))
        away = np.linalg.norm(self.session.points.xy[places] - (x, y), axis=1)
        weights = 1 / np.maximum(away, 1e-6)
        self._decoding.ask(lambda: self._between(places, weights / weights.sum()), self._show)

    def _between(self, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
        codes, labels = self.session.codes_of(self.session.points.ids[places].tolist())
        return self._made((weights @ codes).astype(np.float32), int(labels[0]))

    def _sliders(self, count: int, kind: str) -> list[Slider]:
        made = [
            self.kit.slider(f"{place + 1}", -REACH, REACH, 0, 0.05, name=f"{kind}-{place}")
            for place in range(count)
        ]
        for each in made:
            each.on_change("value", self._slid)
        return made

    def _slid(self, _name: str, _old: Any, _new: Any) -> None:
        if not self._resetting:
            self._decode()

    def _set(self, main: list[float], sensitive: list[float]) -> None:
        self._resetting = True
        for each, value in zip([*self.main, *self.sensitive], [*main, *sensitive], strict=True):
            each.value = value
        self._resetting = False
        self._decode()


MAIN = """<h4 title="of all codes; the share of their variance">Principal directions</h4>"""
ALIKE = """<h4 title="the prior varies alike in all directions">Components of the code</h4>"""
SENSITIVE = """<h4 title="the Jacobian's top right singular vectors at this code; the share of the squared
change of the image">Most sensitive, here</h4>"""


def _steps(sliders: list[Slider], units: np.ndarray) -> np.ndarray:
    """How far the first of some sliders lead, each in its unit."""
    return np.array([each.value for each in sliders[: len(units)]]) * units


def _share(value: float) -> str:
    return f" · {value:.0%}" if np.isfinite(value) else ""
