"""The products of runs: one table, with a row for each kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from preimage.errors import CheckpointError
from preimage.latents.store import Store
from preimage.models.cards import read_card, read_classifier_card, read_prior_card
from preimage.runs.checkpoints import Checkpoint, committed
from preimage.storage.folder import Folder


class Card(Protocol):
    """A product's own description."""

    @property
    def fingerprint(self) -> str:
        """Identifies the content, whatever run made it."""
        ...


@dataclass(frozen=True)
class Product:
    """A kind of product: a folder of this name in the folder of the run that made it."""

    name: str
    title: str
    """Its name in messages."""
    marker: str | None
    """The file that is written last, which makes one whole; None where each checkpoint has its own."""
    card: Callable[[Folder], Card]
    """Read its card. Raises the PreimageError of its kind if the product is damaged."""
    is_result: bool = True
    """Whether a run's outcome names it, and the run is repeated if it is gone."""
    imports: str | None = None
    """The folder under the results where an import leaves one by default, by its name."""
    is_uploaded: bool = False
    """Whether its files are sent to a tracker, which gets a generator as a model; what grows with the dataset
    stays where it is."""

    def is_whole(self, folder: Folder) -> bool:
        """Whether a folder holds a complete one."""
        return folder.exists(self.marker) if self.marker else bool(committed(folder))


def _last(folder: Folder) -> Checkpoint:
    found = committed(folder)
    if not found:
        raise CheckpointError(f"{folder.uri} holds no complete checkpoint")
    return found[-1]


PRODUCTS: dict[str, Product] = {
    each.name: each
    for each in (
        Product("generator", "generator", "config.json", read_card, imports="generators"),
        Product("store", "latent store", "_manifest.json", Store.open, imports="stores"),
        Product("classifier", "classifier", "config.json", read_classifier_card, is_uploaded=True),
        Product("prior", "prior", "config.json", read_prior_card, is_uploaded=True),
        Product("checkpoints", "checkpoints", None, _last, is_result=False),
    )
}
