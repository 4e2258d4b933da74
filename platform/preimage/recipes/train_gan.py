"""train-gan: a DCGAN on prepared images."""

from functools import partial
from typing import ClassVar, Literal

from preimage.figures.plots import losses_png
from preimage.models.config import DcganConfig, GanModelConfig
from preimage.recipes.config import Product
from preimage.recipes.context import Context, Result
from preimage.recipes.train import TrainConfig, summary, train
from preimage.training.config import OptimizerConfig
from preimage.training.gan import METRICS, GanLearner
from preimage.training.learner import Setting

HEADLINE = ("images_seen", "images_per_second", "generator_loss", "discriminator_loss")


class TrainGanConfig(TrainConfig):
    """Train a DCGAN generator and discriminator."""

    GIVES: ClassVar[frozenset[Product]] = frozenset({"generator"})
    RECORDED: ClassVar[tuple[str, ...]] = METRICS

    job: Literal["train-gan"] = "train-gan"
    model: GanModelConfig = GanModelConfig()


def run(config: TrainGanConfig, context: Context) -> Result:
    """Train to the end; leave the generator, and a grid of its samples."""
    train(config, context, partial(_build, config.generator, config.optimizer))
    metrics = summary(config, context)
    curves = {name: context.run.curve(name) for name in METRICS}
    context.run.figures.write("losses.png", losses_png(curves))
    return Result(metrics, ("samples.png", "losses.png"))


def _build(model: DcganConfig, optimizer: OptimizerConfig, setting: Setting) -> GanLearner:
    return GanLearner(setting, model, optimizer)
