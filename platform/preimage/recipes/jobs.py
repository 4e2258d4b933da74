"""Every kind of job. A new one is a recipe file and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from preimage.recipes import (
    compare_priors,
    compression,
    examine,
    explore,
    fit_prior,
    induced_prior,
    invert,
    landscape,
    pag,
    partial,
    pca,
    random_weights,
    recover,
    reports,
    score,
    train,
    train_autoencoder,
    train_classifier,
    train_dfm,
    train_gan,
    train_glo,
    train_prior,
    untrained,
)
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
    check: Callable[[Any, int | None], None] = lambda config, images: None
    """(config, images where known): raises PreimageError for what these alone show to be impossible."""
    reports: Callable[[Any], tuple[str, ...]] | None = None
    """The numbers that an outcome holds, nested ones by dotted names; without it, those of the headline."""


JOBS = {
    "train-gan": Job(
        train_gan.TrainGanConfig,
        train_gan.run,
        train_gan.cost,
        train_gan.HEADLINE,
        train_gan.check,
        reports=reports.of_training,
    ),
    "train-dfm": Job(
        train_dfm.TrainDfmConfig,
        train_dfm.run,
        train_gan.cost,
        train_dfm.HEADLINE,
        train_dfm.check,
        reports=reports.of_training,
    ),
    "train-glo": Job(
        train_glo.TrainGloConfig,
        train_glo.run,
        train.cost,
        train_glo.HEADLINE,
        train_glo.check,
        reports=reports.of_codes,
    ),
    "train-autoencoder": Job(
        train_autoencoder.TrainAutoencoderConfig,
        train_autoencoder.run,
        train.cost,
        train_autoencoder.HEADLINE,
        train.check,
        reports=reports.of_codes,
    ),
    "train-classifier": Job(
        train_classifier.TrainClassifierConfig,
        train_classifier.run,
        train_classifier.cost,
        train_classifier.HEADLINE,
        train_classifier.check,
        reports=reports.of_classifier,
    ),
    "train-prior": Job(
        train_prior.TrainPriorConfig,
        train_prior.run,
        train_prior.cost,
        train_prior.HEADLINE,
        train_prior.check,
    ),
    "fit-prior": Job(
        fit_prior.FitPriorConfig,
        fit_prior.run,
        fit_prior.cost,
        fit_prior.HEADLINE,
        reports=fit_prior.reported,
    ),
    "compare-priors": Job(
        compare_priors.ComparePriorsConfig,
        compare_priors.run,
        compare_priors.cost,
        compare_priors.HEADLINE,
        reports=compare_priors.reported,
    ),
    "induced-prior": Job(
        induced_prior.InducedPriorConfig, induced_prior.run, induced_prior.cost, induced_prior.HEADLINE
    ),
    "invert": Job(
        invert.InvertConfig, invert.run, invert.cost, invert.HEADLINE, reports=reports.of_inversion
    ),
    "recover": Job(recover.RecoverConfig, recover.run, recover.cost, recover.HEADLINE),
    "partial": Job(partial.PartialConfig, partial.run, partial.cost, partial.HEADLINE),
    "landscape": Job(landscape.LandscapeConfig, landscape.run, landscape.cost, landscape.HEADLINE),
    "random-weights": Job(
        random_weights.RandomWeightsConfig, random_weights.run, random_weights.cost, random_weights.HEADLINE
    ),
    "compression": Job(
        compression.CompressionConfig, compression.run, compression.cost, compression.HEADLINE
    ),
    "untrained": Job(untrained.UntrainedConfig, untrained.run, untrained.cost, untrained.HEADLINE),
    "examine": Job(examine.ExamineConfig, examine.run, examine.cost, examine.HEADLINE),
    "explore": Job(explore.ExploreConfig, explore.run, explore.cost, explore.HEADLINE),
    "score": Job(
        score.ScoreConfig, score.run, score.cost, score.HEADLINE, score.check, reports=reports.of_score
    ),
    "pag": Job(pag.PagConfig, pag.run, pag.cost, pag.HEADLINE, reports=reports.of_pag),
    "pca": Job(pca.PcaConfig, pca.run, pca.cost, pca.HEADLINE, pca.check),
}
