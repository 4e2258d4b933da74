"""Fit a prior of any kind, and make sure that its tensors are all of it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from preimage.errors import PluginError
from preimage.latents.prior_kinds import PRIOR_KINDS, FittedPrior, Report, TrainingCodes, silent
from preimage.latents.priors import NoDensityError
from preimage.random_streams import Stream

PARTS = ("sample", "log_density", "tensors", "name", "latent_dim", "std", "support")
TRIED = 64
"""Codes at which densities are compared, and draws."""
RELATIVE = 1e-5
"""What may differ between the prior and the same one from its file."""


def fit_prior(
    kind: str, codes: TrainingCodes, settings: Any, seed: int, report: Report = silent
) -> FittedPrior:
    """A prior of this kind, fitted to codes. settings: an instance of the kind's own, or None.

    Raises PreimageError for codes that it cannot be fitted to, and PluginError for a plugin's prior that
    lacks something, or that is another one when it is rebuilt from its tensors.
    """
    found = PRIOR_KINDS[kind]
    assert found.fit
    prior = found.fit(codes, settings, seed, report)
    if plugin := PRIOR_KINDS.plugin(kind):
        _require_sound(prior, kind, codes, f"the prior {kind!r} of {plugin}")
    return prior


def _require_sound(prior: Any, kind: str, codes: TrainingCodes, what: str) -> None:
    _require_parts(prior, what)
    if (prior.name, prior.latent_dim) != (kind, codes.latent_dim):
        raise PluginError(
            f"{what} must have the name {kind!r} and the codes' latent_dim={codes.latent_dim}, but has "
            f"{prior.name!r} and {prior.latent_dim}"
        )
    z = codes.some(TRIED)
    draws, density = _draws(prior, what), _density(prior, z, what)
    tensors = prior.tensors()
    if not isinstance(tensors, Mapping) or not all(isinstance(each, Tensor) for each in tensors.values()):
        raise PluginError(f"{what} must return a flat dict of tensors from tensors()")
    kept = {name: each.detach().cpu().clone() for name, each in tensors.items()}
    try:
        again = PRIOR_KINDS[kind].rebuild(kept)
    except Exception as error:  # a stranger's code may raise anything
        problem = f"{type(error).__name__}: {error}"
        raise PluginError(f"{what} cannot be rebuilt from its own tensors ({problem})") from error
    _require_parts(again, f"{what}, rebuilt from its tensors,")
    if not _equal(_draws(again, what), draws) or not _equal(_density(again, z, what), density):
        raise PluginError(
            f"{what} has other draws or densities when it is rebuilt from its tensors: return all that they "
            "depend on from tensors()"
        )


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.allclose(one, other, rtol=RELATIVE, atol=RELATIVE)


def _require_parts(prior: Any, what: str) -> None:
    if missing := [name for name in PARTS if not hasattr(prior, name)]:
        raise PluginError(
            f"{what} is a {type(prior).__name__} without {', '.join(missing)}: it must be a "
            "preimage.latents.prior_kinds.FittedPrior"
        )


def _draws(prior: FittedPrior, what: str) -> Tensor:
    draws, shape = prior.sample(TRIED, Stream.REBUILT_PRIOR.generator(0)), (TRIED, prior.latent_dim)
    if not isinstance(draws, Tensor) or draws.shape != shape or draws.dtype != torch.float32:
        raise PluginError(f"{what} must return {shape} float32 from sample({TRIED}, generator)")
    return draws


def _density(prior: FittedPrior, z: Tensor, what: str) -> Tensor | None:
    """At codes z (n, d): (n,); None for a prior without one."""
    try:
        density = prior.log_density(z)
    except NoDensityError:
        return None
    if not isinstance(density, Tensor) or density.shape != (len(z),) or density.dtype != torch.float64:
        raise PluginError(f"{what} must return {(len(z),)} float64 from log_density of {len(z)} codes")
    if density.isnan().any():
        raise PluginError(f"{what} has a log_density of NaN at some training codes")
    return density.detach()
