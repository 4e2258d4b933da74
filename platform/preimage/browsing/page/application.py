"""The page as a Bokeh document: one for each tab of the browser."""

import logging
from collections.abc import Callable

import numpy as np
from bokeh.core.templates import get_env
from bokeh.document import Document
from bokeh.models import CustomJS, LayoutDOM, TextInput

from preimage.browsing.page.colours import Colouring
from preimage.browsing.page.kit import text_of
from preimage.browsing.page.map_view import MapView
from preimage.browsing.page.order import OrderView
from preimage.browsing.page.picks import PicksView
from preimage.browsing.page.session import Browsing, Session
from preimage.browsing.page.tabs.base import Tab
from preimage.browsing.page.tabs.complete import CompleteTab
from preimage.browsing.page.tabs.decode import DecodeTab
from preimage.browsing.page.tabs.samples import SamplesTab
from preimage.browsing.page.tabs.selection import SelectionTab
from preimage.browsing.page.tabs.similar import SimilarTab
from preimage.browsing.page.tabs.walk import WalkTab

log = logging.getLogger(__name__)
TABS: tuple[type[Tab], ...] = (DecodeTab, WalkTab, SimilarTab, CompleteTab, SamplesTab, SelectionTab)
OPEN_SELECTION = 'if (cb_obj.final && cb_obj.geometry.type == "poly") window.preimageShowTab("selection")'


def application(browsing: Browsing) -> Callable[[Document], None]:
    """What fills a new document."""

    def draw(document: Document) -> None:
        Page(document, browsing)

    return draw


class Page:
    """The page in one tab of the browser."""

    def __init__(self, document: Document, browsing: Browsing) -> None:
        self.session = Session(document, browsing, document.template_variables["pictures"])
        self.map = MapView(self.session, self._lassoed)
        self.map.figure.js_on_event("selectiongeometry", CustomJS(code=OPEN_SELECTION))
        self.picks = PicksView(self.session)
        self.tabs = {each.name: self._tab(each) for each in TABS if each.off(browsing) is None}
        self.open = TABS[0].name
        self.session.changed.append(self._refresh)
        for root in (*self._around_the_map(), self.map.figure, self.picks.root, self._asked()):
            document.add_root(root)
        for each in self.tabs.values():
            document.add_root(each.root)
        self._fill_template(document)
        if self.session.subject.store is None:  # a prior's mean is no typical code: a GAN makes a blob of it
            self.session.pick(int(self.session.points.ids[0]))
        else:
            self._refresh()

    def _tab(self, kind: type[Tab]) -> Tab:
        return kind(self.session, self.map) if kind is DecodeTab else kind(self.session)

    def _around_the_map(self) -> list[LayoutDOM]:
        kit, names = self.session.kit, list(self.session.points.columns)
        options = [("", "one colour"), *((each, each) for each in names)]
        self.colour = kit.select("Colour", options, names[0] if names else "", name="colour")
        order = kit.select("Sort", [("", "do not sort"), *options[1:]], "", name="order")
        status = kit.html(visible=False, margin=(22, 0, 0, 0))
        self.legend = kit.html(name="map_legend")
        self._colouring = self.session.worker(status, slow=True)
        self.colour.on_change("value", lambda _name, _old, _new: self._recolour())
        order_view = OrderView(self.session, order)
        self._recolour()
        return [kit.row(self.colour, order, status, name="map_tools"), self.legend, order_view.root]

    def _recolour(self) -> None:
        column = self.colour.value or None
        self._colouring.ask(lambda: self.map.colour_by(column), self._coloured, f"reading {column}")

    def _coloured(self, found: Colouring) -> None:
        self.map.recolour(found)
        self.legend.text = found.legend

    def _lassoed(self, places: np.ndarray) -> None:
        selection = self.tabs["selection"]
        assert isinstance(selection, SelectionTab)
        selection.select(self.session.points.ids[places])
        self.open = "selection"

    def _refresh(self) -> None:
        if self.open in self.tabs:
            self.tabs[self.open].refresh()

    def _asked(self) -> TextInput:
        """The input by which clicks in the page's HTML arrive."""
        asked = TextInput(name="asked", visible=False)
        asked.on_change("value", lambda _name, _old, new: self._dispatch(new.rpartition("#")[0]))
        return asked

    def _dispatch(self, what: str) -> None:
        kind, _, value = what.partition(":")
        if kind in ("pick", "slot", "clear") and value.lstrip("-").isdigit():
            self._picked(kind, int(value))
        elif kind == "tab" and value in self.tabs:
            self.open = value
            self._refresh()
        elif kind == "mask" and "complete" in self.tabs:
            self.tabs["complete"].asked(value)
        elif kind == "save" and "selection" in self.tabs:
            self.tabs["selection"].asked(value)

    def _picked(self, kind: str, value: int) -> None:
        session = self.session
        if kind == "pick" and session.knows(value):
            session.pick(value)
        elif kind == "slot" and value in range(len(session.picked)):
            session.turn = value
            self.picks.refresh()
        elif kind == "clear" and value in range(len(session.picked)):
            session.clear(value)

    def _fill_template(self, document: Document) -> None:
        subject, browsing = self.session.subject, self.session.browsing
        document.title = f"{subject.name} · Preimage"
        document.template = get_env().from_string(text_of("page.html.jinja"))
        document.template_variables.update(
            style=text_of("page.css"),
            script=text_of("page.js"),
            name=subject.name,
            facts=facts(browsing),
            missing=subject.missing,
            notes=[*subject.notes, *browsing.points.notes],
            tabs=[
                {"name": each.name, "title": each.title, "about": each.about, "off": each.off(browsing)}
                for each in TABS
            ],
        )


def facts(browsing: Browsing) -> list[str]:
    """What is browsed, in a line."""
    subject = browsing.subject
    found = []
    if subject.card and (job := subject.card.training.get("job")):
        found.append(str(job))
    found.append(f"{subject.count:,} codes of {subject.latent_dim} components")
    if browsing.decoder:
        channels, height, width = browsing.decoder.shape
        found.append(f"images of {channels} × {height} × {width}")
    if subject.store and not subject.searched:
        found.append("imported codes")
    elif subject.store is None:
        found.append("codes drawn from the prior")
    return found
