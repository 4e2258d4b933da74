"""Every kind of job. A new one is a recipe file and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from preimage.recipes import invert, landscape, pag, partial, random_weights, recover, train_gan
from preimage.recipes.config import JobConfig
from preimage.recipes.context import Context, Result


@dataclass(frozen=True)
class Job:
    """A kind of job: its config, what it does, what that costs, and what can be checked before it starts."""

    config: type[JobConfig]
    run: Callable[[Any, Context], Result]
    cost: Callable[[Any, int | None], dict[str, int]]
    """(config, images of its dataset where that is known) to counts by plain names."""
    headline: tuple[str, ...]
    """The figures that a person wants to see first."""
    check: Callable[[Any], None] = lambda config: None
    """Raises PreimageError for what the config alone shows to be impossible."""


JOBS = {
    "train-gan": Job(
        train_gan.TrainGanConfig, train_gan.run, train_gan.cost, train_gan.HEADLINE, train_gan.check
    ),
    "invert": Job(invert.InvertConfig, invert.run, invert.cost, invert.HEADLINE),
    "recover": Job(recover.RecoverConfig, recover.run, recover.cost, recover.HEADLINE),
    "partial": Job(partial.PartialConfig, partial.run, partial.cost, partial.HEADLINE),
    "landscape": Job(landscape.LandscapeConfig, landscape.run, landscape.cost, landscape.HEADLINE),
    "random-weights": Job(
        random_weights.RandomWeightsConfig, random_weights.run, random_weights.cost, random_weights.HEADLINE
    ),
    "pag": Job(pag.PagConfig, pag.run, pag.cost, pag.HEADLINE),
}
