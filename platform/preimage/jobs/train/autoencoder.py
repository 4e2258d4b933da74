"""train-autoencoder: a deep convolutional autoencoder, whose decoder is a DCGAN's generator."""

from typing import ClassVar, Literal

from preimage.jobs.base import Context, Metrics, Result
from preimage.jobs.train.base import TrainGeneratorJob, metrics_with_codes
from preimage.latents.priors import PriorName
from preimage.training.config import OptimizerConfig
from preimage.training.metric_names import CODE_METRICS


class TrainAutoencoderJob(TrainGeneratorJob):
    """Train a convolutional autoencoder on the squared error (DCAE; glo, section 3.1)."""

    makes: ClassVar[frozenset[str]] = frozenset({"generator", "store"})
    PRIOR: ClassVar[PriorName] = "gaussian"
    RECORDED: ClassVar[tuple[str, ...]] = CODE_METRICS
    job: Literal["train-autoencoder"] = "train-autoencoder"
    optimizer: OptimizerConfig = OptimizerConfig(name="adam", lr=1e-3, beta1=0.9)

    def metrics(self) -> Metrics:
        return metrics_with_codes(self.recorded())

    def run(self, context: Context) -> Result:
        from preimage.jobs.train.run_autoencoder import run

        return run(self, context)
