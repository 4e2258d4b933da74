"""What every section has."""

from typing import ClassVar

from bokeh.models import LayoutDOM

from preimage.browsing.page.session import Browsing, Session


class Tab:
    """A section: its root is shown under its title, unless `off` says why it cannot work.

    A subclass builds `root` in __init__, and shows what is picked in `refresh`, which is called while its
    section is open.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    root: LayoutDOM

    def __init__(self, session: Session) -> None:
        self.session, self.kit = session, session.kit
        self.status = session.kit.html(visible=False)

    @staticmethod
    def off(browsing: Browsing) -> str | None:
        """Why the section cannot work; None if it can. By default it needs a generator."""
        return without_generator(browsing)

    def refresh(self) -> None:
        """The picks changed, or the section was opened."""

    def asked(self, what: str) -> None:
        """A click in the section's own HTML."""


def without_generator(browsing: Browsing) -> str | None:
    """Why nothing can be decoded."""
    if browsing.decoder:
        return None
    return " ".join(browsing.subject.missing) or "This needs a generator."
