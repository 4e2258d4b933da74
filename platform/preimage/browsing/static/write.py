"""Write a map of codes as one HTML file: points, colours, thumbnails, and how it was made."""

from pathlib import Path
from typing import Any

import numpy as np
from bokeh.palettes import Category10, Category20, Turbo256, Viridis256
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from preimage._version import __version__
from preimage.browsing.points import Points, in_window
from preimage.browsing.static.payload import in_script, payload
from preimage.browsing.static.plot import parts
from preimage.browsing.static.sprites import sprites_of
from preimage.browsing.subject import Subject
from preimage.errors import StorageError
from preimage.metrics.clusters import PERPLEXITY
from preimage.storage.folder import Folder

POINTS_MOST = 10_000
"""Of more points a fair sample is shown, above the density of all."""
METHODS = {"tsne": "t-SNE", "pca": "PCA"}
PALETTES = {"numbers": Viridis256, "few": Category10[10], "texts": Category20[20], "many": Turbo256}


def write_static(subject: Subject, points: Points, path: str | Path, overwrite: bool = False) -> int:
    """Write the page, whole or not at all, and return its size in bytes.

    Raises StorageError for a name that does not end in .html, and for a file that is there already.
    """
    place = require_writable(path, overwrite)
    data = static_html(subject, points).encode()
    place.parent.write(place.name, data)
    return len(data)


def require_writable(path: str | Path, overwrite: bool = False) -> Folder:
    """Where the page would be. Raises as `write_static`."""
    place = Folder.at(path)
    if not place.name.endswith((".html", ".htm")):
        raise StorageError(f"{place.uri} must end in .html, which is what is written")
    if place.parent.exists(place.name) and not overwrite:
        raise StorageError(f"{place.uri} is there already: give another file, or delete it first")
    return place


def static_html(subject: Subject, points: Points) -> str:
    """The page. It asks for nothing from anywhere."""
    rows = in_window(points, *points.extent, POINTS_MOST)
    sprites = sprites_of(subject, points.ids[rows], np.argsort(points.priority[rows], kind="stable"))
    found, left_out = payload(points, rows, sprites)
    if len(rows) < len(points):
        left_out = (
            f"{len(rows):,} of {len(points):,} points are drawn, above the density of all.",
            *left_out,
        )
    script, div = parts(points, rows)
    notes = (*subject.missing, *subject.notes, *points.notes, *left_out, sprites.note)
    bokeh = Resources(mode="inline", components=["bokeh", "bokeh-gl"])
    return _template().render(
        title=subject.name,
        facts=_facts(subject, points),
        notes=list(filter(None, notes)),
        made=_made(subject, points),
        bokeh=Markup(bokeh.render()),
        script=Markup(script),
        div=Markup(div),
        payload=Markup(in_script(found | {"palettes": PALETTES})),
        code=Markup(Path(__file__).with_name("page.js").read_text()),
    )


def _template() -> Any:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined)
    return environment.get_template("page.html")


def _facts(subject: Subject, points: Points) -> str:
    stands = "codes drawn from a prior" if subject.drawn else "codes"
    return f"{len(points):,} {stands} of {subject.latent_dim} components, by {METHODS[points.method]}"


def _made(subject: Subject, points: Points) -> list[tuple[str, str]]:
    """How it was made: rows of a table."""
    found = [("made by", subject.made_by), ("map", _map_text(points))]
    if subject.store:
        about = subject.store.about
        found += [("codes", f"{subject.store.folder.uri} ({subject.store.fingerprint[:10]})")]
        if about.dataset:
            found += [("images", f"{about.dataset.path or 'not named'} ({about.dataset.fingerprint[:10]})")]
        solver = ", ".join(f"{key} {value}" for key, value in about.solver.items() if _is_short(value))
        found += [("search", solver)]
    if subject.card:
        found += [("generator", f"{subject.card.generator.architecture} ({subject.card.fingerprint[:10]})")]
    found += [("priors", ", ".join(subject.priors)), ("Preimage", __version__)]
    return [(name, text) for name, text in found if text]


def _map_text(points: Points) -> str:
    if points.method == "pca":
        return "the first two principal components of the codes"
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    return (
        f"t-SNE, perplexity {perplexity:.3g}: near points are alike, and distances between groups mean little"
    )


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) < 24
