"""Built-in kinds of fitted priors. Each is imported when it is fitted or rebuilt: specs need no more."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from preimage.config import Config, PositiveFloat, PositiveInt
from preimage.latents.prior_kinds import FittedPrior, PriorKind


def _made_by(module: str, function: str) -> Callable[..., FittedPrior]:
    def make(*given: Any) -> FittedPrior:
        return getattr(import_module(f"preimage.latents.{module}"), function)(*given)

    return make


class MixtureSettings(Config):
    """How a mixture is fitted."""

    components: PositiveInt
    """The number of Gaussians."""
    max_iterations: PositiveInt = 200
    """EM iterations, at most. Each is one pass over the codes."""
    tolerance: PositiveFloat = 1e-3
    """The fit is finished when an iteration raises the mean log-likelihood of a code by less, in nats."""


_gaussian = _made_by("fitted", "rebuild_gaussian")

DIAGONAL = PriorKind(_made_by("fitted", "rebuild_diagonal"), _made_by("fitted", "fit_diagonal"))
BOX = PriorKind(_made_by("fitted", "rebuild_box"), _made_by("fitted", "fit_box"))
GAUSSIAN = PriorKind(partial(_gaussian, "anywhere"), _made_by("fitted", "fit_gaussian"))
GAUSSIAN_IN_BALL = PriorKind(partial(_gaussian, "ball"), fitted_by="train-glo")
PGAN = PriorKind(_made_by("fitted", "rebuild_network"), fitted_by="train-prior")
MIXTURE = PriorKind(
    _made_by("mixture", "rebuild_mixture"),
    _made_by("mixture", "fit_with_settings"),
    MixtureSettings,
    passes=lambda settings: settings.max_iterations,
)
