"""train-gan: a DCGAN on prepared images."""

from functools import partial
from typing import ClassVar, Literal

from preimage.data.catalog import Catalog
from preimage.errors import DataError
from preimage.jobs.base import Context, Metrics, Result, headline, others
from preimage.jobs.references import CheckpointsRef, PriorRef
from preimage.jobs.train.base import PACE, TrainGeneratorJob, summary, train_on_images
from preimage.jobs.train.classes import class_names
from preimage.jobs.train.figures import curves_png, losses_png
from preimage.jobs.train.scoring import ScoringConfig, scoring_of
from preimage.models.config import ConditionalModelConfig, DcganConfig, GanModelConfig
from preimage.models.inception import require_colours, require_weights
from preimage.training.algorithm import Algorithm, AlgorithmContext
from preimage.training.config import LoopConfig
from preimage.training.gan import METRICS, GanAlgorithm, InitFrom


class GanJob(TrainGeneratorJob):
    """The keys of every training run of a generator against a discriminator."""

    makes: ClassVar[frozenset[str]] = frozenset({"generator", "checkpoints"})
    RECORDED: ClassVar[tuple[str, ...]] = METRICS

    model: GanModelConfig = GanModelConfig()
    resume_from: CheckpointsRef | None = None
    """Resume from the networks and optimisers of a finished GAN: an earlier step, a run's name or folder."""
    prior: PriorRef | None = None
    """Draw codes from a fitted prior instead of model.prior: an earlier step, a run's name or its folder."""
    score: ScoringConfig | None = None
    """Score samples at every checkpoint. The best checkpoint becomes the generator, unless training.select_by
    names another metric."""

    @property
    def made_generator(self) -> DcganConfig:
        plain = super().made_generator
        return plain.model_copy(update={"prior": "fitted"}) if self.prior else plain

    def recorded(self) -> tuple[str, ...]:
        return (*self.RECORDED, *(self.score.recorded if self.score else ()))

    @property
    def loop(self) -> LoopConfig:
        """The loop's complete settings: the score selects the result if nothing else does."""
        if not self.score or self.training.select_by:
            return self.training
        return self.training.model_copy(update={"select_by": self.score.recorded[0], "mode": None})

    def metrics(self) -> Metrics:
        shown = [name for name in (*self._shown, *_SCORES) if name in self.recorded()]
        more = [name for name in self.recorded() if name not in shown]
        return (*headline(*PACE, *shown), *others(*more))

    @property
    def _shown(self) -> tuple[str, ...]:
        """The recorded metrics to show first, before the score."""
        return ("generator_loss", "discriminator_loss")

    def check(self, catalog: Catalog) -> None:
        super().check(catalog)
        if self.score:
            require_weights(self.score.weights)
            if not self.score.classifier:
                require_colours(self.data.channels)

    def cost(self, images: int | None) -> dict[str, int]:
        """The cost of the training run, and of scoring at its checkpoints."""
        counts = super().cost(images)
        if not self.score:
            return counts
        checkpoints = -(-self.training.total_images // self.training.checkpoint_every)
        return counts | {"samples scored": checkpoints * self.score.images}


_SCORES = ("classifier_score", "inception_score")


class TrainGanJob(GanJob):
    """Train a DCGAN generator and discriminator, conditional on the images' classes if the model says so."""

    job: Literal["train-gan"] = "train-gan"
    model: ConditionalModelConfig = ConditionalModelConfig()

    def check(self, catalog: Catalog) -> None:
        super().check(catalog)
        if self.model.classes:
            self._require_count(class_names(self.data, catalog, ", or set model.classes=0"))

    def _require_count(self, names: list[str] | None) -> None:
        """Raise DataError unless the images have as many classes as the model, as far as that is known."""
        if names and len(names) != self.model.classes:
            raise DataError(
                f"model.classes={self.model.classes}, but {self.data.source} has {len(names)} classes: set "
                f"model.classes={len(names)}"
            )

    def run(self, context: Context) -> Result:
        """Train to the end; leave the generator, a grid of its samples, and the curves.

        Raises DataError if a conditional model has other classes than the images, or these have no labels.
        """
        if self.model.classes:
            self._require_count(context.dataset(self.data).classes)
        return train_gan(self, context, partial(_build, self, init_from(context)))


def train_gan(job: GanJob, context: Context, build: partial[Algorithm]) -> Result:
    """Train any GAN; leave the generator, a grid of its samples, and the curves."""
    evaluation = scoring_of(job.score, job.data, context) if job.score else None
    train_on_images(job, context, build, evaluation=evaluation)
    curves = context.run.curves()
    metrics, samples = summary(job, context, curves)
    figures = {"samples.png": samples, "losses.png": losses_png({name: curves[name] for name in METRICS})}
    scores = job.score.recorded if job.score else ()
    more = [name for name in job.recorded() if name not in (*METRICS, *scores)]
    for picture, names in (("scores.png", scores), ("features.png", more)):
        if names:
            figures[picture] = curves_png({name: curves[name] for name in names})
    return Result(metrics, figures)


def init_from(context: Context) -> InitFrom:
    """The products of earlier runs that the workers start from."""
    return InitFrom(context.inputs.get("resume_from"), context.inputs.get("prior"))


def _build(job: TrainGanJob, origin: InitFrom, context: AlgorithmContext) -> GanAlgorithm:
    return GanAlgorithm(context, job.made_generator, job.optimizer, origin)
