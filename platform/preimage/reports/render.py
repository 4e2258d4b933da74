"""A page as one HTML file that loads nothing: its style and script are in it, and known by their digests."""

from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from preimage.reports.content import Page
from preimage.reports.pictures import Picture

ROW, TALLEST, ALONE = 250, 430, 620
"""Pixels that pictures in a row are high, and at most; and a single one at most."""
FRAME = 14


def render(page: Page) -> str:
    """The page as HTML. Whatever a run says is escaped; nothing is fetched, nor run but the script here."""
    style = _text("page.css") + "".join(_shapes(page))
    script = _text("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    template = _templates().get_template("page.html.jinja")
    return template.render(page=page, policy=policy, style=Markup(style), script=Markup(script))


def picture_id(picture: Picture) -> str:
    """Identifies a picture's element by its place."""
    return f"p{sha256(picture.place.encode()).hexdigest()[:12]}"


def _shapes(page: Page) -> Iterator[str]:
    """Rules for each picture: it shows the rows above its footer, whose words are below; and those in a row
    are equally high."""
    for section in page.sections:
        tallest = ALONE if len(section.pictures) == 1 else TALLEST
        for each in (*section.pictures, *section.samples):
            if each.png:
                ratio, name = each.width / each.rows, picture_id(each)
                yield f"#{name}{{aspect-ratio:{each.width}/{each.rows}}}"
                widest = min(each.width, round(tallest * ratio)) + FRAME
                yield f"#f{name}{{flex:{ratio:.3f} 1 {round(ROW * ratio)}px;max-width:min(100%,{widest}px)}}"


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("preimage.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["picture_id"] = picture_id
    return found


@cache
def _text(name: str) -> str:
    return (files("preimage.reports") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As a Content-Security-Policy names what may be there."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
