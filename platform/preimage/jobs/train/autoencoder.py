"""train-autoencoder: a deep convolutional autoencoder, whose decoder is a DCGAN's generator."""

from functools import partial
from typing import ClassVar, Literal

from preimage.jobs.config import Product
from preimage.jobs.context import Context, Result
from preimage.jobs.train.base import TrainConfig, summary, train_on_images
from preimage.jobs.train.reconstruction_metrics import FIGURES, describe_codes
from preimage.latents.priors import PriorName
from preimage.models.config import DcganConfig
from preimage.training.algorithm import AlgorithmContext
from preimage.training.autoencoder import METRICS, AutoencoderAlgorithm
from preimage.training.config import OptimizerConfig

HEADLINE = ("images_seen", "images_per_second", "loss", "reconstruction_error")


class TrainAutoencoderConfig(TrainConfig):
    """Train a convolutional autoencoder on the squared error (DCAE; glo, section 3.1)."""

    GIVES: ClassVar[frozenset[Product]] = frozenset({"generator", "store"})
    PRIOR: ClassVar[PriorName] = "gaussian"
    RECORDED: ClassVar[tuple[str, ...]] = METRICS

    job: Literal["train-autoencoder"] = "train-autoencoder"
    optimizer: OptimizerConfig = OptimizerConfig(name="adam", lr=1e-3, beta1=0.9)


def run(config: TrainAutoencoderConfig, context: Context) -> Result:
    """Train to the end; leave the decoder as a generator, the encoder's codes as a store, and pictures."""
    dataset = train_on_images(config, context, partial(_build, config.generator, config.optimizer))
    metrics = summary(config, context) | describe_codes(context, dataset, "squared error per pixel")
    return Result(metrics, ("samples.png", *FIGURES))


def _build(model: DcganConfig, optimizer: OptimizerConfig, context: AlgorithmContext) -> AutoencoderAlgorithm:
    return AutoencoderAlgorithm(context, model, optimizer)
