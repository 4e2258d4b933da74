"""train-dfm: a GAN whose generator is also drawn to denoised features (denoising-feature-matching)."""

from functools import partial
from typing import Literal

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


class TrainDfmConfig(GanConfig):
    """Train a DCGAN with denoising feature matching; `denoiser: null` trains the same DCGAN without."""

    job: Literal["train-dfm"] = "train-dfm"
    denoiser: DenoiserConfig | None = DenoiserConfig()
    optimizer: OptimizerConfig = OptimizerConfig(lr=1e-4)

    def recorded(self) -> tuple[str, ...]:
        return (*super().recorded(), *(METRICS if self.denoiser else ()))


def check(config: TrainDfmConfig, images: int | None) -> None:
    """What can be known to be wrong before anything starts."""
    train.check(config, images)
    if config.denoiser:
        config.denoiser.shape(config.generator)


def run(config: TrainDfmConfig, context: Context) -> Result:
    """Train to the end; leave the generator, and a grid of its samples."""
    return train_gan(config, context, partial(_build, config))


def _build(config: TrainDfmConfig, setting: Setting) -> DfmLearner:
    return DfmLearner(setting, config.generator, config.optimizer, config.denoiser)
