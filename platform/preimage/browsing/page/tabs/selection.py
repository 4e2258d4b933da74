"""Selection: what a lassoed set of images has in common."""

from base64 import b64encode
from dataclasses import dataclass
from html import escape

import numpy as np
from bokeh.models import TextInput

from preimage.browsing.lasso import Summary, summary
from preimage.browsing.page.html import note, number, picture, strip
from preimage.browsing.page.pictures import pairs, thumbnails
from preimage.browsing.page.session import Browsing, Session
from preimage.browsing.page.tabs.base import Tab
from preimage.browsing.selections import save_selection, selection_bytes

SHOWN = 12
LABELS = 6
EMPTY = "Choose the lasso at the right of the map, and draw a line around some points."


@dataclass(frozen=True, eq=False)
class Shown:
    """A summary with its thumbnails, as HTML, and the file to download."""

    found: Summary
    nearest: list[str]
    worst: list[str]
    file: str


class SelectionTab(Tab):
    name, title = "selection", "Selection"
    about = (
        "Images that you draw a line around on the map: what they have in common, and which stand out. Esc "
        "ends it."
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._work, self._saving = (
            session.worker(self.status, slow=True),
            session.worker(self.status, slow=True),
        )
        self.ids = np.zeros(0, np.int64)
        self._count = 0
        self._found = self.kit.html(note(EMPTY))
        self.file_name = TextInput(
            value="selection-1", stylesheets=self.kit.sheets, width=180, margin=(0, 8, 0, 0)
        )
        self._save = self.kit.button("Save", main=True, name="save")
        self._save.on_click(self._keep)
        self._link = self.kit.html(margin=(5, 0, 0, 0))
        self._tools = self.kit.row(self.file_name, self._save, self._link, visible=False)
        self._save.visible = session.browsing.selections is not None
        self.file_name.on_change("value", lambda _name, _old, _new: self._draw_link())
        self._file = ""
        self.root = self.kit.column(self.status, self._tools, self._found, name=self.name)

    @staticmethod
    def off(browsing: Browsing) -> str | None:
        """Sets can be counted and saved without images."""
        return None

    def select(self, ids: np.ndarray) -> None:
        """Show what these images (n,) have in common."""
        self.ids = ids
        if not len(ids):
            self._work.cancel()
            self._tools.visible = False
            self._found.text = note(EMPTY)
            return
        self._count += 1
        self._work.ask(lambda: self._summarise(ids), self._show, f"reading {len(ids):,} images")

    def _summarise(self, ids: np.ndarray) -> Shown:
        browsing = self.session.browsing
        found = summary(browsing.subject, ids, SHOWN)
        near = thumbnails(pairs(browsing, found.nearest, both=False), size="tiny")
        worst = thumbnails(pairs(browsing, found.worst, both=False), size="tiny") if len(found.worst) else []
        file = b64encode(selection_bytes(browsing.subject, ids)).decode()
        return Shown(found, near, worst, file)

    def _show(self, shown: Shown) -> None:
        found = shown.found
        self._file, self.file_name.value = shown.file, f"selection-{self._count}"
        self._tools.visible = True
        self._draw_link()
        loss = "" if found.loss_mean is None else f" · mean loss {number(found.loss_mean)}"
        labels = ", ".join(f"{name} {count:,}" for name, count in list(found.labels.items())[:LABELS])
        more = ", …" if len(found.labels) > LABELS else ""
        means = [
            picture(image, caption, size="middle")
            for image, caption in (
                (found.mean_image, "mean image"),
                (found.mean_reconstruction, "mean reconstruction"),
                (found.of_mean_code, "of the mean code"),
            )
            if image is not None
        ]
        self._found.text = (
            f"<h4>{found.count:,} images{loss}</h4>"
            + note(f"{labels}{more}" if labels else "")
            + "".join(map(note, found.notes))
            + f'<div class="strip" style="margin-top:8px">{"".join(means)}</div>'
            + strip(shown.nearest, "Nearest to the mean code")
            + (strip(shown.worst, "Highest losses") if shown.worst else "")
        )

    def _draw_link(self) -> None:
        """A link by which the browser itself saves the file."""
        name = escape("".join(each for each in self.file_name.value if each.isalnum() or each in "._- "))
        kind = "application/vnd.apache.parquet"
        self._link.text = (
            f'<a download="{name or "selection"}.parquet" href="data:{kind};base64,{self._file}">'
            'Download</a> <span class="hint">Parquet, of image_id and name</span>'
        )

    def _keep(self) -> None:
        folder, ids, name = self.session.browsing.selections, self.ids, self.file_name.value
        if folder is not None and len(ids):
            subject = self.session.subject
            self._saving.ask(lambda: save_selection(subject, ids, folder, name), self._kept, "saving")

    def _kept(self, address: str) -> None:
        self._link.text = note(f"saved: {address}")
