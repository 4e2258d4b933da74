"""The prior of an imported generator's codes."""

import torch
from torch import nn

from preimage.errors import GeneratorError
from preimage.importing.calling import stated_dim
from preimage.importing.probe import first_line
from preimage.importing.settings import ImportSettings
from preimage.latents.priors import PRIORS, Gaussian, Prior, PriorName, make_prior
from preimage.latents.statistics import Moments
from preimage.models.imported import attribute
from preimage.models.prior_folder import load_fitted
from preimage.random_streams import Stream
from preimage.storage.folder import Folder

MAPPED, AT_ONCE = 65_536, 1024
"""Codes taken through a mapping network to fit a prior in its space."""


def prior_of(settings: ImportSettings, network: nn.Module, dim: int) -> Prior:
    """The prior of the codes. Raises GeneratorError if it has another dimension."""
    if settings.prior_through:
        return _mapped(settings, network, dim)
    if settings.prior in PRIORS:
        return make_prior(settings.prior, dim)
    prior = load_fitted(Folder.at(settings.prior))
    if prior.latent_dim != dim:
        raise GeneratorError(
            f"the prior in {settings.prior} is for codes of {prior.latent_dim} components, the network takes "
            f"{dim}: give another prior, or the network's own --code-shape"
        )
    return prior


@torch.no_grad()
def _mapped(settings: ImportSettings, network: nn.Module, dim: int) -> Gaussian:
    """A Gaussian fitted to codes of the fixed prior after a mapping network."""
    mapping = attribute(network, settings.prior_through or "")
    width = settings.mapping_dim or stated_dim(network) or dim
    moments = Moments.empty(dim)
    random = Stream.MAPPED_PRIOR.generator(0)
    for _ in range(MAPPED // AT_ONCE):
        try:
            mapped = mapping(make_prior(settings.prior, width).sample(AT_ONCE, random))
            moments = moments.update(mapped.reshape(AT_ONCE, dim))
        except Exception as error:
            raise GeneratorError(
                f"{settings.prior_through} did not take codes ({AT_ONCE}, {width}) to ({AT_ONCE}, {dim}): "
                f"{first_line(error)}. How many components it takes is said with --mapping-dim"
            ) from error
    return Gaussian.fit(moments)


def prior_name(prior: Prior) -> PriorName:
    """What a generator's card calls it."""
    known: dict[str, PriorName] = {
        each: each for each in ("normal", "uniform", "gaussian", "gaussian-in-ball")
    }
    return known.get(prior.name, "fitted")
