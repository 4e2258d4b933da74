"""A fitted prior on disk: `config.json` and `weights.safetensors`. Nothing is ever unpickled."""

from typing import Any, ClassVar

from pydantic import Field

from preimage.config import PositiveInt, unknown
from preimage.errors import PriorError
from preimage.latents.prior_kinds import PRIOR_KINDS, FittedPrior
from preimage.models.weights import CONFIG, MISFIT, WEIGHTS, packed, read_config, read_tensors
from preimage.plugins import made_with, require_installed
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.storage.formats import PRIOR, Kept, Kind


class PriorCard(Kept):
    """A prior folder's config.json: what it is, and where it came from."""

    kept_as: ClassVar[Kind] = PRIOR
    kind: str
    latent_dim: PositiveInt
    weights_sha256: str
    training: dict[str, Any] = Field(default_factory=dict)
    """Provenance: the job, its fingerprint, the plugins, and the store that it was fitted to."""

    @property
    def fingerprint(self) -> str:
        """Identifies the distribution, not its history."""
        return digest(canonical_json([self.kind, self.latent_dim, self.weights_sha256]).encode())


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


def read_prior_card(folder: Folder) -> PriorCard:
    """The card in a prior folder. Raises PriorError if the folder holds no prior, PluginError if it was made
    by a plugin that is not installed."""
    card = read_config(folder, PriorCard, PriorError)
    if card.kind not in PRIOR_KINDS or PRIOR_KINDS.plugin(card.kind):
        require_installed(card.training, f"the prior in {folder.uri}")
    if card.kind not in PRIOR_KINDS:
        problem = unknown(card.kind, list(PRIOR_KINDS), "kind of prior")
        raise PriorError(f"{folder / CONFIG} describes a prior of kind {card.kind!r}: {problem}")
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
