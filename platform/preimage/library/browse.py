"""What `preimage browse` looks at, by any name that a user may give to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from preimage.browsing.subject import Pixels, Subject
from preimage.data.dataset import Dataset
from preimage.data.known_images import KnownImages
from preimage.errors import PreimageError, SpecError
from preimage.housekeeping.datasets import all_prepared
from preimage.jobs.named_images import open_images
from preimage.jobs.sampling import draw_codes, draw_labels
from preimage.latents.priors import PRIORS, Prior, make_prior
from preimage.latents.schema import UNLABELLED, Codes, GeneratorInfo
from preimage.latents.store import Store
from preimage.library.browse_places import Places, find_places, generators_under, priors_under
from preimage.models.cards import CONFIG, GeneratorCard, read_card, read_prior_card
from preimage.models.generator_folder import load_generator, load_prior
from preimage.models.prior_folder import load_fitted
from preimage.runs.run_folder import RunFolder
from preimage.storage.address import results_root
from preimage.storage.folder import Folder

DRAWN = 500
"""Codes that are drawn from a generator's prior where no store holds any."""


def open_subject(name: str | Path, results: str | None = None, code: Sequence[str] = ()) -> Subject:
    """What a name stands for, with its generator, its images and its priors, as far as they are there.

    name: a run (of a pipeline the last store, of a run without products what it looked at), a store's folder,
    an imported store, a generator's folder, a run id or a model in MLflow. code: modules whose code may build
    the generator. Raises PreimageError if there are neither codes nor a generator to draw them.
    """
    root = Folder.at(results_root(results))
    places = find_places(str(name), root)
    opening = _Opening(root, tuple(code), list(places.missing))
    store = opening.store(places)
    network, card, folder = opening.generator(places, store)
    if not store and not network:
        reasons = " ".join(opening.missing)
        raise SpecError(
            f"{places.name} has nothing to browse, neither codes nor a generator. {reasons}".rstrip()
        )
    priors = opening.priors(card, folder, store)
    drawn = None if store else opening.draw(network, priors, has_store=places.store is not None)
    pixels = opening.pixels(store) if store else None
    if store and not store.about.searched:
        opening.notes.append("No search found these codes, so they have no losses.")
    return Subject(
        name=places.name,
        store=store,
        generator=network,
        card=card,
        pixels=pixels,
        priors=priors,
        missing=tuple(opening.missing),
        drawn=drawn,
        notes=tuple(opening.notes),
        made_by=RunFolder(store.folder.parent).made_by if store else "",
    )


@dataclass
class _Opening:
    """Opens one thing after another, and collects what cannot be."""

    root: Folder
    code: tuple[str, ...]
    missing: list[str]
    notes: list[str] = field(default_factory=list)

    def store(self, places: Places) -> Store | None:
        """The codes; of an unfinished store those that it has by now."""
        if not places.store:
            return None
        try:
            return Store.open(places.store)
        except PreimageError as error:
            if found := _so_far(places.store):
                self.missing.append(f"The store is not finished: {found.count:,} codes are shown so far.")
                return found
            self.missing.append(f"The codes cannot be read: {error}.")
            return None

    def generator(
        self, places: Places, store: Store | None
    ) -> tuple[nn.Module | None, GeneratorCard | None, Folder | None]:
        """The generator of the codes, wherever it is by now; its card is here even if it cannot be built."""
        wanted = store.about.generator if store else None
        if store and not wanted:
            self.missing.append(
                "The codes are of no known generator, so nothing is decoded: import them with --generator."
            )
            return None, None, None
        unread: dict[str, str] = {}
        for folder in self._candidates(places, wanted):
            try:
                card = read_card(folder)
            except PreimageError as error:  # another may be the one
                if _holds_something(folder):
                    unread[folder.uri] = f"The generator {folder.uri} cannot be read: {error}."
                continue
            if not wanted or card.fingerprint == wanted.fingerprint:
                return *self._loaded(folder, card), folder
        self.missing += unread.values()
        if not wanted:
            return None, None, None
        where = f" (it was at {wanted.path})" if wanted.path else ""
        self.missing.append(
            f"The generator of these codes is not here{where}, so nothing is decoded: put it back, or import "
            "it under the results."
        )
        return None, None, None

    def _candidates(self, places: Places, wanted: GeneratorInfo | None) -> Iterator[Folder]:
        """Where the generator may be; without codes that say which it is, where the name leads alone."""
        yield from places.generators
        if wanted:
            yield from [Folder.at(wanted.path)] if wanted.path else []
            yield from generators_under(self.root)

    def _loaded(self, folder: Folder, card: GeneratorCard) -> tuple[nn.Module | None, GeneratorCard]:
        try:
            return load_generator(folder, self.code)[0], card
        except PreimageError as error:
            self.missing.append(f"The generator cannot be run, so nothing is decoded: {error}.")
            return None, card

    def priors(
        self, card: GeneratorCard | None, folder: Folder | None, store: Store | None
    ) -> dict[str, Prior]:
        """The generator's own, then those that were fitted to its codes."""
        found: dict[str, Prior] = {}
        try:
            if card and folder:
                own: Prior = load_prior(folder, card)
                found[own.name] = own
            elif store and store.about.prior in PRIORS:
                found[str(store.about.prior)] = make_prior(str(store.about.prior), store.latent_dim)
        except PreimageError as error:
            self.missing.append(f"The generator's own prior cannot be read: {error}.")
        wanted = {store.fingerprint} if store else set()
        for run, prior in priors_under(self.root):
            try:
                about = read_prior_card(prior).training
                fits = about.get("store") in wanted or (card and about.get("generator") == card.fingerprint)
                if fits:
                    found[run] = load_fitted(prior)
            except PreimageError as error:
                self.missing.append(f"The prior that {run} fitted cannot be read: {error}.")
        return found

    def draw(self, network: nn.Module | None, priors: dict[str, Prior], has_store: bool) -> Codes:
        """Codes of the generator's prior, where none were found yet, or they cannot be read."""
        own = next(iter(priors.values()), None)
        if not own or not network:
            raise SpecError(f"there are no codes, and none can be drawn: {'; '.join(self.missing)}")
        draws = f"{DRAWN} draws of the {own.name} prior, which stand for no images"
        if has_store:
            self.missing.append(f"In their place are {draws}.")
        else:
            self.notes.append(
                f"No codes were found yet: these are {draws}. To see those of images, invert these first."
            )
        import torch

        labels = draw_labels(network, DRAWN, 0)
        given = torch.full((DRAWN,), UNLABELLED) if labels is None else labels
        return Codes.without_search(torch.arange(DRAWN), given.int(), draw_codes(own, DRAWN, 0))

    def pixels(self, store: Store) -> Pixels | None:
        """The images of the codes, at their address or among the prepared datasets under the results."""
        about = store.about.dataset
        if not about:
            self.missing.append(
                "It is not known which images the codes stand for: import them with --images."
            )
            return None
        try:
            return Pixels(KnownImages(open_images(about)))
        except PreimageError as error:
            for each in all_prepared(self.root):
                if each.fingerprint == about.fingerprint:
                    return Pixels(KnownImages(Dataset.open(each.folder)))
            self.missing.append(f"The images are not here, so the originals are not shown: {error}.")
            return None


def _so_far(folder: Folder) -> Store | None:
    try:
        return None if folder.exists("_manifest.json") else Store.so_far(folder)
    except PreimageError:
        return None


def _holds_something(folder: Folder) -> bool:
    try:
        return folder.exists(CONFIG)
    except PreimageError:
        return False
