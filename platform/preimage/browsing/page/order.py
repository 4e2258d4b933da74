"""All images sorted by a column: the first and the last of them, below the map."""

import numpy as np
from bokeh.models import Select

from preimage.browsing.page.html import number, strip
from preimage.browsing.page.pictures import Pairs, pairs, thumbnails
from preimage.browsing.page.session import Session
from preimage.browsing.points import is_known, ordered

SHOWN = 6
"""At either end."""


class OrderView:
    """A strip of thumbnails: the highest and the lowest of a column."""

    def __init__(self, session: Session, select: Select) -> None:
        self.session, self._select = session, select
        kit = session.kit
        self._pictures, self._status = kit.html(), kit.html(visible=False)
        self._work = session.worker(self._status, slow=True)
        self.root = kit.column(self._pictures, self._status, spacing=2, name="map_order")
        select.on_change("value", lambda _name, _old, _new: self.refresh())

    def refresh(self) -> None:
        column = self._select.value
        if not column:
            self._work.cancel()
            self._pictures.text = ""
            return
        self._work.ask(lambda: self._find(column), self._show, f"sorting by {column}")

    def _find(self, column: str) -> tuple[str, Pairs, list[str]]:
        points = self.session.points
        values = points.columns[column]
        order = ordered(points, column)
        order = order[is_known(values[order])]
        ends = order if len(order) <= 2 * SHOWN else np.concatenate([order[:SHOWN], order[-SHOWN:]])
        captions = [
            number(float(each), 2) if values.dtype.kind in "iuf" else str(each) for each in values[ends]
        ]
        return column, pairs(self.session.browsing, points.ids[ends], both=False), captions

    def _show(self, found: tuple[str, Pairs, list[str]]) -> None:
        column, some, captions = found
        shown = thumbnails(some, captions, "tiny")
        half = (len(shown) + 1) // 2
        columns = (strip(shown[:half], f"highest {column}"), strip(shown[half:], f"lowest {column}"))
        self._pictures.text = (
            f'<div style="display:flex;gap:24px;justify-content:space-between">'
            f"<div>{columns[0]}</div><div>{columns[1]}</div></div>"
        )
