"""The map of codes as a page to look into, beside the figures: map.html."""

from dataclasses import dataclass

from torch import Tensor, nn

from preimage.browsing.maps import Map
from preimage.browsing.points import points_on
from preimage.browsing.subject import Pixels, Subject
from preimage.data.dataset import Dataset
from preimage.data.known_images import KnownImages
from preimage.latents.priors import Prior
from preimage.latents.schema import Codes
from preimage.latents.store import Store
from preimage.models.cards import GeneratorCard
from preimage.models.generator_folder import load_prior
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder

MAP = "map.html"
OPTIONAL = ("bokeh", "jinja2", "markupsafe")
"""What a page needs, and nothing else here does."""
WITHOUT = f"There is no {MAP}: Bokeh is not installed (preimage[browse])."


@dataclass(frozen=True)
class Opened:
    """What an analyze-codes job has opened."""

    store: Store
    generator: nn.Module | None
    card: GeneratorCard | None
    folder: Folder | None
    """The generator's."""
    dataset: Dataset | None
    run: RunFolder


def map_page(opened: Opened, codes: Codes, places: Tensor) -> tuple[dict[str, bytes], str]:
    """The page of a map (n, 2) of codes, by its file name; or none, and why."""
    try:
        from preimage.browsing.static.write import static_html
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OPTIONAL:
            raise
        return {}, WITHOUT
    subject = _subject(opened)
    shown = f"The map shows the first {len(codes):,} of {subject.count:,} codes."
    notes = (shown,) if len(codes) < subject.count else ()
    found = Map(codes.image_id.numpy(), places.float().numpy(), notes)
    return {MAP: static_html(subject, points_on(subject, found, "tsne")).encode()}, ""


def _subject(opened: Opened) -> Subject:
    missing = []
    if not opened.dataset:
        missing.append("The images are not known, or no longer here.")
    if not opened.generator:
        missing.append("No generator is given, so there are no reconstructions.")
    priors: dict[str, Prior] = {}
    if opened.folder and opened.card:
        own = load_prior(opened.folder, opened.card)
        priors[own.name] = own
    return Subject(
        name=opened.run.name,
        store=opened.store,
        generator=opened.generator,
        card=opened.card,
        pixels=Pixels(KnownImages(opened.dataset)) if opened.dataset else None,
        priors=priors,
        missing=tuple(missing),
        made_by=opened.run.made_by,
    )
