"""train-gan: a DCGAN on prepared images."""

from functools import partial
from typing import ClassVar, Literal

from preimage.figures.plots import curves_png, losses_png
from preimage.jobs.config import Product
from preimage.jobs.context import Context, Result
from preimage.jobs.train import base as train
from preimage.jobs.train.base import TrainConfig, summary
from preimage.jobs.train.scoring import ScoringConfig, scoring_of
from preimage.models.config import DcganConfig, GanModelConfig
from preimage.models.inception import require_weights
from preimage.training.algorithm import Algorithm, AlgorithmContext
from preimage.training.config import LoopConfig
from preimage.training.gan import METRICS, GanAlgorithm, InitFrom

HEADLINE = (
    "images_seen",
    "images_per_second",
    "generator_loss",
    "discriminator_loss",
    "classifier_score",
    "inception_score",
)


class GanConfig(TrainConfig):
    """The keys of every training of a generator against a discriminator."""

    GIVES: ClassVar[frozenset[Product]] = frozenset({"generator", "checkpoints"})
    RECORDED: ClassVar[tuple[str, ...]] = METRICS

    model: GanModelConfig = GanModelConfig()
    resume_from: str | None = None
    """Go on from the networks and optimisers of a finished GAN: an earlier step, a run's name or folder."""
    prior: str | None = None
    """Draw codes from a fitted prior instead of model.prior: an earlier step, a run's name or its folder."""
    score: ScoringConfig | None = None
    """Score samples at every checkpoint; the best of them becomes the generator, unless
    training.select_by names another metric."""

    def needs(self) -> dict[str, tuple[str, Product]]:
        classifier = self.score.classifier if self.score else None
        asked: dict[str, tuple[str | None, Product]] = {
            "score.classifier": (classifier, "classifier"),
            "resume_from": (self.resume_from, "checkpoints"),
            "prior": (self.prior, "prior"),
        }
        return {key: (name, product) for key, (name, product) in asked.items() if name}

    @property
    def generator(self) -> DcganConfig:
        plain = super().generator
        return plain.model_copy(update={"prior": "fitted"}) if self.prior else plain

    def recorded(self) -> tuple[str, ...]:
        return (*self.RECORDED, *(self.score.recorded if self.score else ()))

    @property
    def loop(self) -> LoopConfig:
        """The loop's settings, the score choosing the result where nothing else does."""
        if not self.score or self.training.select_by:
            return self.training
        return self.training.model_copy(update={"select_by": self.score.recorded[0], "mode": None})


class TrainGanConfig(GanConfig):
    """Train a DCGAN generator and discriminator."""

    job: Literal["train-gan"] = "train-gan"


def cost(config: GanConfig, images: int | None) -> dict[str, int]:
    """What the training costs, and scoring at its checkpoints."""
    counts = train.cost(config, images)
    if not config.score:
        return counts
    checkpoints = -(-config.training.total_images // config.training.checkpoint_every)
    return counts | {"samples scored": checkpoints * config.score.images}


def check(config: GanConfig, images: int | None) -> None:
    """What can be known to be wrong before anything starts."""
    train.check(config, images)
    if config.score:
        require_weights(config.score.weights)


def run(config: TrainGanConfig, context: Context) -> Result:
    """Train to the end; leave the generator, and a grid of its samples."""
    return train_gan(config, context, partial(_build, config, init_from(context)))


def train_gan(config: GanConfig, context: Context, build: partial[Algorithm]) -> Result:
    """Train any GAN; leave the generator, a grid of its samples, and the curves."""
    scoring = scoring_of(config.score, config.data, context) if config.score else None
    train.train_on_images(config, context, build, scoring=scoring)
    metrics = summary(config, context)
    curves = {name: context.run.curve(name) for name in config.recorded()}
    figures = {"losses.png": losses_png({name: curves[name] for name in METRICS})}
    scores = config.score.recorded if config.score else ()
    others = [name for name in curves if name not in (*METRICS, *scores)]
    for picture, names in (("scores.png", scores), ("features.png", others)):
        if names:
            figures[picture] = curves_png({name: curves[name] for name in names})
    for name, picture in figures.items():
        context.run.figures.write(name, picture)
    return Result(metrics, ("samples.png", *figures))


def init_from(context: Context) -> InitFrom:
    """What the workers are told of earlier runs."""
    return InitFrom(context.inputs.get("resume_from"), context.inputs.get("prior"))


def _build(config: TrainGanConfig, origin: InitFrom, context: AlgorithmContext) -> GanAlgorithm:
    return GanAlgorithm(context, config.generator, config.optimizer, origin)
