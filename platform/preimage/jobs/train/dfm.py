"""train-dfm: a GAN whose generator is also drawn to denoised features (denoising-feature-matching)."""

from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator

from preimage.jobs.context import Context, Result
from preimage.jobs.train import gan as train_gan
from preimage.jobs.train.gan import GanConfig, init_from
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.dfm import METRICS, DenoiserConfig, DfmAlgorithm
from preimage.training.gan import InitFrom

HEADLINE = (
    "images_seen",
    "images_per_second",
    "denoising_error",
    "feature_gap",
    "classifier_score",
    "inception_score",
)


def _unless_off(given: object) -> object:
    """YAML reads `off` as false."""
    return None if given is False else given


class TrainDfmConfig(GanConfig):
    """Train a DCGAN with denoising feature matching; `denoiser: null` trains the same DCGAN without.

    All gradients are taken before any network steps, unlike in train-gan, whose generator learns from the
    discriminator as it is after its step.
    """

    job: Literal["train-dfm"] = "train-dfm"
    denoiser: Annotated[DenoiserConfig | None, BeforeValidator(_unless_off)] = DenoiserConfig()
    """`null` or `off` switches it off."""
    optimizer: OptimizerConfig = OptimizerConfig(lr=1e-4)

    def recorded(self) -> tuple[str, ...]:
        return (*super().recorded(), *(METRICS if self.denoiser else ()))


def check(config: TrainDfmConfig, images: int | None) -> None:
    """What can be known to be wrong before anything starts."""
    train_gan.check(config, images)
    if config.denoiser:
        config.denoiser.shape(config.generator)


def run(config: TrainDfmConfig, context: Context) -> Result:
    """Train to the end; leave the generator, and a grid of its samples."""
    return train_gan.train_gan(config, context, partial(_build, config, init_from(context)))


def _build(config: TrainDfmConfig, origin: InitFrom, context: AlgorithmContext) -> DfmAlgorithm:
    return DfmAlgorithm(context, config.generator, config.optimizer, config.denoiser, origin)
