"""Other generators of the same images, shown beside the one that is explored."""

from dataclasses import dataclass

from torch import Tensor, nn

from preimage.data.dataset import Dataset
from preimage.errors import GeneratorError, StoreError
from preimage.jobs.base import Context
from preimage.jobs.compatibility import require_codes_of, require_images_of
from preimage.jobs.explore.config import Beside
from preimage.jobs.explore.walks import Walker
from preimage.jobs.sampling import draw_codes, make_images
from preimage.latents.priors import Prior
from preimage.latents.store import Store
from preimage.latents.walks import fit_gaussian
from preimage.models.cards import require_images
from preimage.models.generator_folder import load_generator, load_prior

FITTED, OWN = "Gaussian fitted to its codes", "its own prior"


@dataclass(frozen=True)
class Shown:
    """A generator in the pictures, with the codes of the images if it has any."""

    generator: nn.Module
    prior: Prior
    """Of the samples: the Gaussian fitted to its codes, or without codes its own."""
    walker: Walker | None

    def samples(self, count: int, seed: int) -> Tensor:
        """(count, C, H, W)."""
        return make_images(self.generator, draw_codes(self.prior, count, seed))

    @property
    def drawn_from(self) -> str:
        return FITTED if self.walker else OWN


def open_beside(name: str, key: str, asked: Beside, dataset: Dataset, context: Context) -> Shown:
    """The generator that a spec names under a dotted key. Raises GeneratorError or StoreError, with its name,
    if it is not one of these images."""
    folder = context.inputs[f"{key}.generator"]
    try:
        generator, card = load_generator(folder)
        require_images(card.generator, dataset.config.shape)
        if asked.store is None:
            return Shown(generator, load_prior(folder, card), None)
        store = Store.open(context.inputs[f"{key}.store"])
        require_codes_of(card, store)
        require_images_of(dataset, store)
    except (GeneratorError, StoreError) as error:
        raise type(error)(f"{name}: {error}") from error
    return Shown(generator, fit_gaussian(store), Walker(generator, store, dataset))
