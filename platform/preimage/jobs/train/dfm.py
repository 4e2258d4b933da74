"""train-dfm: a GAN whose generator also matches denoised features (denoising-feature-matching)."""

from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator

from preimage.data.catalog import Catalog
from preimage.jobs.base import Context, Result
from preimage.jobs.train.gan import GanJob, init_from, train_gan
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.dfm import METRICS, DenoiserConfig, DfmAlgorithm
from preimage.training.gan import InitFrom


def _unless_off(given: object) -> object:
    """YAML reads `off` as false."""
    return None if given in (False, "off") else given


class TrainDfmJob(GanJob):
    """Train a DCGAN with denoising feature matching; `denoiser: null` trains the same DCGAN without it.

    All gradients are taken before any network steps. In train-gan, by contrast, the generator learns from the
    discriminator after its step.
    """

    job: Literal["train-dfm"] = "train-dfm"
    denoiser: Annotated[DenoiserConfig | None, BeforeValidator(_unless_off)] = DenoiserConfig()
    """`null` or `off` disables it."""
    optimizer: OptimizerConfig = OptimizerConfig(lr=1e-4)

    def recorded(self) -> tuple[str, ...]:
        return (*super().recorded(), *(METRICS if self.denoiser else ()))

    @property
    def _shown(self) -> tuple[str, ...]:
        return ("denoising_error", "feature_gap")

    def check(self, catalog: Catalog) -> None:
        super().check(catalog)
        if self.denoiser:
            self.denoiser.shape(self.made_generator)

    def run(self, context: Context) -> Result:
        """Train to the end; leave the generator, a grid of its samples, and the curves."""
        return train_gan(self, context, partial(_build, self, init_from(context)))


def _build(job: TrainDfmJob, origin: InitFrom, context: AlgorithmContext) -> DfmAlgorithm:
    return DfmAlgorithm(context, job.made_generator, job.optimizer, job.denoiser, origin)
