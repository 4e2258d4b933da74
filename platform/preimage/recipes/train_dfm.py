"""train-dfm: a GAN whose generator is also drawn to denoised features (denoising-feature-matching)."""

from functools import partial
from typing import Literal

from preimage.config import Config, PositiveInt
from preimage.recipes import train
from preimage.recipes.context import Context, Result
from preimage.recipes.train_gan import GanConfig, train_gan
from preimage.training.config import OptimizerConfig
from preimage.training.dfm import METRICS, DenoiserConfig, DfmLearner
from preimage.training.learner import Setting

HEADLINE = (
    "images_seen",
    "images_per_second",
    "denoising_error",
    "feature_gap",
    "classifier_score",
    "inception_score",
)


class DiscriminatorConfig(Config):
    """What a discriminator has beside the generator's mirror."""

    hidden: PositiveInt | None = None
    """Units of a fully connected layer before the logit."""


class TrainDfmConfig(GanConfig):
    """Train a DCGAN with denoising feature matching; `denoiser: null` trains the same DCGAN without."""

    job: Literal["train-dfm"] = "train-dfm"
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    denoiser: DenoiserConfig | None = DenoiserConfig()
    optimizer: OptimizerConfig = OptimizerConfig(lr=1e-4)

    def recorded(self) -> tuple[str, ...]:
        return (*super().recorded(), *(METRICS if self.denoiser else ()))


def check(config: TrainDfmConfig, images: int | None) -> None:
    """What can be known to be wrong before anything starts."""
    train.check(config, images)
    if config.denoiser:
        config.denoiser.shape(config.generator, config.discriminator.hidden)


def run(config: TrainDfmConfig, context: Context) -> Result:
    """Train to the end; leave the generator, and a grid of its samples."""
    return train_gan(config, context, partial(_build, config))


def _build(config: TrainDfmConfig, setting: Setting) -> DfmLearner:
    hidden = config.discriminator.hidden
    return DfmLearner(setting, config.generator, config.optimizer, hidden, config.denoiser)
