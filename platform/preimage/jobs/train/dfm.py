"""train-dfm: a GAN whose generator also matches denoised features (denoising-feature-matching)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from preimage.config import PositiveInt
from preimage.data.catalog import Catalog
from preimage.jobs.base import Context, Metrics, Result, headline
from preimage.jobs.train.gan import GanJob
from preimage.models.feature_count import feature_count
from preimage.training.config import DenoiserConfig, OptimizerConfig
from preimage.training.metric_names import DFM_METRICS


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
    """`null` or `off` disables it; the discriminator stays the same."""
    feature_pool: PositiveInt = 1
    """Side of the squares over which the discriminator's last maps are averaged: fewer features, which the
    classifier reads and the denoiser models."""
    optimizer: OptimizerConfig = OptimizerConfig(lr=1e-4)

    def recorded(self) -> tuple[str, ...]:
        return (*super().recorded(), *(DFM_METRICS if self.denoiser else ()))

    def metrics(self) -> Metrics:
        """`gradient_ratio` is how much the features pull at the generator, where the adversary pulls 1."""
        return (*super().metrics(), *(headline("gradient_ratio") if self.has_two_terms else ()))

    @property
    def has_two_terms(self) -> bool:
        return bool(self.denoiser and self.denoiser.lambda_adversarial)

    @property
    def _shown(self) -> tuple[str, ...]:
        return ("denoising_error", "feature_gap")

    def check(self, catalog: Catalog) -> None:
        super().check(catalog)
        features = feature_count(self.made_generator, self.feature_pool)
        if self.denoiser:
            self.denoiser.width_for(features)

    def run(self, context: Context) -> Result:
        from preimage.jobs.train.run_dfm import run

        return run(self, context)
