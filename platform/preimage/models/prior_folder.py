"""A fitted prior on disk: `config.json` and `weights.safetensors`. Nothing is ever unpickled."""

from typing import Any

from preimage.errors import PriorError
from preimage.latents.prior_kinds import PRIOR_KINDS, FittedPrior
from preimage.models.cards import CONFIG, WEIGHTS, PriorCard, read_prior_card
from preimage.models.weights import MISFIT, packed, read_tensors
from preimage.plugins import made_with
from preimage.storage.folder import Folder, digest


def save_prior(prior: FittedPrior, folder: Folder, training: dict[str, Any]) -> PriorCard:
    """Write a prior folder; config.json comes last, so a folder that has it is complete."""
    weights = packed(prior.tensors())
    if plugin := PRIOR_KINDS.plugin(prior.name):  # also where a generator keeps it, which no plugin made
        named = made_with(training, f"the prior in {folder.uri}")
        training = training | {"plugins": named | {plugin.distribution: plugin.version}}
    card = PriorCard(
        kind=prior.name, latent_dim=prior.latent_dim, weights_sha256=digest(weights), training=training
    )
    folder.write(WEIGHTS, weights)
    folder.write_json(CONFIG, card.stamped())
    return card


def load_fitted(folder: Folder) -> FittedPrior:
    """A prior and its parameters, on the CPU. Raises PriorError if they are missing, altered or misfit."""
    card = read_prior_card(folder)
    tensors = read_tensors(folder, WEIGHTS, card.weights_sha256, PriorError)
    try:
        prior = PRIOR_KINDS[card.kind].rebuild(tensors)
    except MISFIT as error:
        raise PriorError(f"{folder / WEIGHTS} does not hold a {card.kind} prior: {error}") from error
    if prior.latent_dim != card.latent_dim:
        raise PriorError(
            f"{folder / CONFIG} says {card.latent_dim} components, but {WEIGHTS} has {prior.latent_dim}"
        )
    return prior
