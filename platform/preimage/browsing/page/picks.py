"""The three picked images, A, B and C."""

from html import escape

import numpy as np

from preimage.browsing.page.html import number, picture
from preimage.browsing.page.pictures import Pairs, pairs
from preimage.browsing.page.session import LETTERS, Session

HOW = "Click a point of the map, or any small image"


class PicksView:
    """Slots with image | reconstruction, name, label and loss. A click on a slot makes it the next one."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.slots, self._status = session.kit.html(name="slots"), session.kit.html(visible=False)
        self._work = session.worker(self._status)
        self._known: dict[int, str] = {}
        session.changed.append(self.refresh)
        self.root = session.kit.column(self.slots, self._status, spacing=2, name="picks")
        self._draw()

    def refresh(self) -> None:
        """Show what is picked; images that are not known yet come a little later."""
        self._draw()
        if new := [each for each in self.session.picked if each is not None and each not in self._known]:
            self._work.ask(lambda: self._look_up(new), self._arrived)

    def _look_up(self, ids: list[int]) -> dict[int, str]:
        found = pairs(self.session.browsing, np.array(ids, np.int64))
        return {each: self._content(place, found) for place, each in enumerate(ids)}

    def _arrived(self, found: dict[int, str]) -> None:
        self._known |= found
        self._draw()

    def _content(self, place: int, found: Pairs) -> str:
        image_id, session = int(found.ids[place]), self.session
        kinds = ((found.images, "image"), (found.reconstructions, "reconstruction"))
        shown = "".join(
            picture(each[place], title=kind, size="mini") for each, kind in kinds if each is not None
        )
        facts = []
        row = session.subject.rows.at(np.array([image_id]))[0]
        label = int(session.subject.rows.labels[row])
        if label >= 0:
            names = session.subject.classes
            facts.append(f"label {names[label] if label < len(names) else label}")
        if session.subject.rows.losses is not None:
            facts.append(f"loss {number(float(session.subject.rows.losses[row]), 2)}")
        name = escape(session.name_of(image_id))
        below = "".join(f"<div>{escape(each)}</div>" for each in facts)
        return f'{shown}<div class="what"><div class="name" title="{name}">{name}</div>{below}</div>'

    def _draw(self) -> None:
        parts = []
        for place, (letter, image_id) in enumerate(zip(LETTERS, self.session.picked, strict=True)):
            following = " next" if place == self.session.turn else ""
            if image_id is None:
                content = f'<div class="what">{HOW if following else "empty"}</div>'
            else:
                content = self._known.get(image_id, '<div class="what busy">…</div>')
                content += f'<span class="clear" data-do="clear:{place}" title="clear">×</span>'
            parts.append(
                f'<div class="slot{following}" data-do="slot:{place}"><b>{letter}</b>{content}</div>'
            )
        self.slots.text = f'<div class="slots">{"".join(parts)}</div>'
