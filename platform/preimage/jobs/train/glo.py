"""train-glo: a generator without a discriminator, and one learned code an image."""

from functools import partial
from typing import ClassVar, Literal

from preimage.jobs.config import Product
from preimage.jobs.context import Context, Result
from preimage.jobs.train import base as train
from preimage.jobs.train.base import TrainConfig, summary
from preimage.jobs.train.reconstruction_metrics import FIGURES, describe_codes
from preimage.latents.priors import PriorName
from preimage.models.pca import require_possible
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.glo import METRICS, CodesConfig, GloAlgorithm, LossName

HEADLINE = ("images_seen", "images_per_second", "loss", "reconstruction_error")


class TrainGloConfig(TrainConfig):
    """Train a generator and a code for every image together (GLO)."""

    GIVES: ClassVar[frozenset[Product]] = frozenset({"generator", "store"})
    PRIOR: ClassVar[PriorName] = "gaussian-in-ball"
    RECORDED: ClassVar[tuple[str, ...]] = METRICS

    job: Literal["train-glo"] = "train-glo"
    loss: LossName = "l2"
    """l2: the squared error's mean over pixels; lap1: the L1 distance of the Laplacian pyramids."""
    codes: CodesConfig = CodesConfig()
    optimizer: OptimizerConfig = OptimizerConfig(name="sgd", lr=1.0)
    """The generator's, on the loss averaged over the batch."""


def check(config: TrainGloConfig, images: int | None) -> None:
    """What can be known to be wrong before anything starts."""
    train.check(config, images)
    if config.codes.init == "pca":
        pixels = config.data.channels * config.data.size**2
        require_possible(config.model.latent_dim, images, pixels)


def run(config: TrainGloConfig, context: Context) -> Result:
    """Train to the end; leave the generator, the codes as a latent store, and pictures of both."""
    dataset = train.train_on_images(config, context, partial(_build, config))
    metrics = summary(config, context) | describe_codes(context, dataset, config.loss)
    return Result(metrics, ("samples.png", *FIGURES))


def _build(config: TrainGloConfig, context: AlgorithmContext) -> GloAlgorithm:
    return GloAlgorithm(context, config.generator, config.loss, config.codes, config.optimizer)
