"""The stages of an induced prior: what each took from earlier runs, and what is measured of it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from preimage.errors import PriorError
from preimage.jobs.compatibility import require_codes_of, require_same_images
from preimage.jobs.induced_prior.report import Stage
from preimage.jobs.sampling import draw_codes, make_images, open_generator
from preimage.latents.held_out import Split
from preimage.latents.priors import Normal, Prior
from preimage.latents.store import Store
from preimage.latents.tally import Tally
from preimage.metrics.pag import store_pag
from preimage.metrics.pag_of_fit import held_out_pag
from preimage.models.cards import read_card, read_prior_card
from preimage.storage.folder import Folder
from preimage.training.scoring import Evaluator

CPU = torch.device("cpu")  # where the few images of the figure are made
NORMS = 10_000
"""Codes of a prior whose norms are averaged."""


class StageProducts(NamedTuple):
    """What a stage takes from earlier runs."""

    name: str
    generator: Folder
    store: Store
    learned: Folder | None = None
    """The prior that the generator, unchanged, draws from instead of its own."""

    def open(self, device: torch.device) -> tuple[nn.Module, Prior]:
        """The generator in eval mode, and the prior that its codes are drawn from."""
        return open_generator(self.generator, device, self.learned)

    def samples(self, count: int, seed: int) -> Tensor:
        """Images (count, C, H, W) of the stage."""
        generator, prior = self.open(CPU)
        return make_images(generator, draw_codes(prior, count, seed))


def require_belonging(stages: Sequence[StageProducts], generators: Sequence[Folder]) -> None:
    """Raise StoreError if a store holds codes of another generator or of other images than the first, and
    PriorError if a learned prior was fitted to another store than the stage's, or the generator of the next
    round was not trained with it. generators: those of the rounds, the first one before them."""
    for each in stages:
        require_codes_of(read_card(each.generator), each.store)
    require_same_images([each.store for each in stages])
    for number, each in enumerate((each for each in stages if each.learned), 1):
        assert each.learned
        about = read_prior_card(each.learned)
        if about.training.get("store") != each.store.fingerprint:
            raise PriorError(
                f"the prior in {each.learned.uri} was not fitted to the codes before round {number}, in "
                f"{each.store.folder.uri}: give each round's prior, in order"
            )
        if read_card(generators[number]).prior_fingerprint != about.fingerprint:
            raise PriorError(
                f"{generators[number].uri}, the generator of round {number}, was trained with another prior "
                f"than {each.learned.uri}: give each round's prior, in order"
            )


def held_out_by_all(stages: Sequence[StageProducts]) -> float:
    """The fraction of the images that every learned prior's fit held out; 0 without any prior."""
    folders = [each.learned for each in stages if each.learned]
    return min((read_prior_card(each).training.get("held_out", 0.0) for each in folders), default=0.0)


def measure(products: StageProducts, held_out: float, evaluator: Evaluator | None) -> Stage:
    """What is measured of one stage. held_out: the fraction of the images that no prior was fitted to."""
    generator, prior = products.open(evaluator.worker.device if evaluator else CPU)
    store, split = products.store, Split(products.store, held_out)
    normal = store_pag(store, std=1.0)
    plain = isinstance(prior, Normal)
    return Stage(
        name=products.name,
        prior=prior.name,
        learned=products.learned is not None,
        pag=normal if plain else store_pag(store, prior=prior),
        held_out=held_out_pag(split, 1.0) if plain else held_out_pag(split, prior=prior),
        normal=normal,
        prior_norm=draw_codes(prior, NORMS, 0).square().sum(1).mean().sqrt().item(),
        error=Tally.of(store).loss_mean,
        scores=evaluator.of(generator, prior) if evaluator else {},
    )
