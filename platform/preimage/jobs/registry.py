"""Every kind of job. A new one is a recipe file and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from preimage.jobs import init_generator, pag, reports
from preimage.jobs.analyze_codes import job as analyze_codes
from preimage.jobs.compare_priors import job as compare_priors
from preimage.jobs.compare_reconstructions import job as compare_reconstructions
from preimage.jobs.config import JobConfig
from preimage.jobs.context import Context, Result
from preimage.jobs.evaluate import job as evaluate
from preimage.jobs.explore import job as explore
from preimage.jobs.fit_prior import job as fit_prior
from preimage.jobs.induced_prior import job as induced_prior
from preimage.jobs.invert import job as invert
from preimage.jobs.landscape import job as landscape
from preimage.jobs.pca import job as pca
from preimage.jobs.random_weights import job as random_weights
from preimage.jobs.recover import job as recover
from preimage.jobs.recover_partial import job as recover_partial
from preimage.jobs.train import autoencoder as train_autoencoder
from preimage.jobs.train import base as train
from preimage.jobs.train import classifier as train_classifier
from preimage.jobs.train import dfm as train_dfm
from preimage.jobs.train import gan as train_gan
from preimage.jobs.train import glo as train_glo
from preimage.jobs.train import prior as train_prior


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
    "recover-partial": Job(
        recover_partial.PartialConfig, recover_partial.run, recover_partial.cost, recover_partial.HEADLINE
    ),
    "landscape": Job(landscape.LandscapeConfig, landscape.run, landscape.cost, landscape.HEADLINE),
    "random-weights": Job(
        random_weights.RandomWeightsConfig, random_weights.run, random_weights.cost, random_weights.HEADLINE
    ),
    "compare-reconstructions": Job(
        compare_reconstructions.CompressionConfig,
        compare_reconstructions.run,
        compare_reconstructions.cost,
        compare_reconstructions.HEADLINE,
    ),
    "init-generator": Job(
        init_generator.UntrainedConfig, init_generator.run, init_generator.cost, init_generator.HEADLINE
    ),
    "analyze-codes": Job(
        analyze_codes.ExamineConfig, analyze_codes.run, analyze_codes.cost, analyze_codes.HEADLINE
    ),
    "explore": Job(explore.ExploreConfig, explore.run, explore.cost, explore.HEADLINE),
    "evaluate": Job(
        evaluate.ScoreConfig,
        evaluate.run,
        evaluate.cost,
        evaluate.HEADLINE,
        evaluate.check,
        reports=reports.of_score,
    ),
    "pag": Job(pag.PagConfig, pag.run, pag.cost, pag.HEADLINE, reports=reports.of_pag),
    "pca": Job(pca.PcaConfig, pca.run, pca.cost, pca.HEADLINE, pca.check),
}
