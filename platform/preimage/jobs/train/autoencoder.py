"""train-autoencoder: a deep convolutional autoencoder, whose decoder is a DCGAN's generator."""

from functools import partial
from typing import ClassVar, Literal

from preimage.jobs.base import Context, Metrics, Result
from preimage.jobs.train.base import TrainGeneratorJob, summary, train_on_images
from preimage.jobs.train.reconstruction_metrics import describe_codes, metrics_with_codes
from preimage.latents.priors import PriorName
from preimage.training.algorithm import AlgorithmContext
from preimage.training.autoencoder import METRICS, AutoencoderAlgorithm
from preimage.training.config import OptimizerConfig


class TrainAutoencoderJob(TrainGeneratorJob):
    """Train a convolutional autoencoder on the squared error (DCAE; glo, section 3.1)."""

    makes: ClassVar[frozenset[str]] = frozenset({"generator", "store"})
    PRIOR: ClassVar[PriorName] = "gaussian"
    RECORDED: ClassVar[tuple[str, ...]] = METRICS

    job: Literal["train-autoencoder"] = "train-autoencoder"
    optimizer: OptimizerConfig = OptimizerConfig(name="adam", lr=1e-3, beta1=0.9)

    def metrics(self) -> Metrics:
        return metrics_with_codes(self.recorded())

    def run(self, context: Context) -> Result:
        """Train to the end; leave the decoder as a generator, the encoder's codes as a store, and figures."""
        dataset = train_on_images(self, context, partial(_build, self))
        curves = context.run.curves()
        metrics, samples = summary(self, context, curves)
        more, figures = describe_codes(context, dataset, curves, "squared error per pixel")
        return Result(metrics | more, {"samples.png": samples} | figures)


def _build(job: TrainAutoencoderJob, context: AlgorithmContext) -> AutoencoderAlgorithm:
    return AutoencoderAlgorithm(context, job.made_generator, job.optimizer)
