"""Complete: hide a part of an image, and see what the generator puts there."""

import numpy as np

from preimage.browsing.completion import Completions, completions
from preimage.browsing.page.canvas import Canvas
from preimage.browsing.page.html import note, number, picture, strip
from preimage.browsing.page.pictures import pairs
from preimage.browsing.page.session import Session
from preimage.browsing.page.tabs.base import Tab

COUNT = 6
BRUSH = 5
ERROR = "Error: root mean square over what is seen, in grey levels of 0 to 255."
PAINT = "Paint over a part of the image by dragging."
PICK = "Pick an image on the map: A."


class CompleteTab(Tab):
    name, title = "complete", "Complete"
    about = (
        "Paint over a part of image A. Codes whose images agree with what is left are searched from several "
        "starts: where the completions differ, the generator cannot tell what was there."
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._loading, self._work = session.worker(self.status), session.worker(self.status, slow=True)
        self.brush = self.kit.slider("brush", 1, 16, BRUSH, 1, width=150, sizing_mode=None)
        self.mode = self.kit.choice(["Hide", "Show again"])
        self.canvas = Canvas(_shape(session), self.brush, self.mode, self._painted)
        self.live = self.kit.check("Complete after each stroke", active=True)
        self.complete, self.stop = (
            self.kit.button("Complete", main=True, name="complete-button"),
            self.kit.button("Stop"),
        )
        clear = self.kit.button("Clear")
        self.complete.on_click(self._complete)
        self.stop.on_click(self._work.cancel)
        clear.on_click(self._clear)
        self._found = self.kit.html()
        self._image: np.ndarray | None = None
        self._of: int | None = None
        self._label: int | None = None
        self._seed = 0
        tools = self.kit.row(self.mode, self.brush)
        buttons = self.kit.row(self.complete, self.stop, clear)
        left = self.kit.column(
            self.canvas.figure, tools, self.live, buttons, self.status, width=320, sizing_mode=None
        )
        self.root = self.kit.row(left, self._found, spacing=16, name=self.name)

    def refresh(self) -> None:
        picked = self.session.picked[0]
        if picked == self._of and self._image is not None:
            return
        self._work.cancel()
        if picked is None:
            self._found.text = note(PICK)
            return
        self._loading.ask(lambda: (picked, self._load(picked)), self._show_image)

    def asked(self, what: str) -> None:
        """The cells that were painted."""
        self.canvas.arrived(what)

    def _load(self, picked: int) -> np.ndarray:
        found = pairs(self.session.browsing, np.array([picked]), both=False).shown
        assert found is not None
        return found[0]

    def _show_image(self, found: tuple[int, np.ndarray]) -> None:
        self._of, self._image = found
        label = int(self.session.subject.rows.labels[self.session.subject.rows.at(np.array([self._of]))[0]])
        self._label = label if label >= 0 and self.session.decoder and self.session.decoder.classes else None
        self.canvas.show(self._image)
        self._found.text = note(PAINT)
        if self.canvas.hidden.any():
            self._painted()

    def _painted(self) -> None:
        if self.live.active:
            self._complete()

    def _clear(self) -> None:
        self._work.cancel()
        self.canvas.clear()
        self._found.text = note(PAINT)

    def _complete(self) -> None:
        image, hidden = self._image, self.canvas.hidden
        if image is None:
            self._hint(PICK)
        elif not hidden.any() or hidden.all():
            self._hint("Paint over a part of the image, and leave a part.")
        else:
            self._seed += 1
            seed = self._seed
            subject, label = self.session.subject, self._label
            self._work.follow(
                lambda: completions(subject, image, hidden, COUNT, seed, label=label),
                self._show,
                "searching for codes",
            )

    def _hint(self, text: str) -> None:
        self.status.update(text=note(text), visible=True)

    def _show(self, found: Completions) -> None:
        order = np.argsort(found.errors)
        images = found.images[order]
        errors = [f"error {number(float(each), 2)}" for each in found.errors[order]]
        shown = [picture(*each, size="term") for each in zip(images, errors, strict=True)]
        mean = picture(images.mean(0).round().astype(np.uint8), "mean", size="term")
        spread = (2 * images.std(0)).clip(0, 255).astype(np.uint8)
        steps = "done" if found.done else f"after {found.step} steps"
        self._found.text = (
            strip(shown, f"Completions, the closest first · {steps}")
            + strip([mean, picture(spread, "differences", size="term")], "All of them")
            + note(ERROR)
        )


def _shape(session: Session) -> tuple[int, int]:
    decoder = session.decoder
    assert decoder
    return decoder.shape[-2], decoder.shape[-1]
