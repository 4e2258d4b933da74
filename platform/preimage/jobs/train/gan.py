"""train-gan: a DCGAN on prepared images."""

from typing import ClassVar, Literal

from preimage.data.catalog import Catalog
from preimage.errors import DataError
from preimage.jobs.base import Context, Metrics, Result, headline, others
from preimage.jobs.references import CheckpointsRef, PriorRef
from preimage.jobs.train.base import PACE, TrainGeneratorJob
from preimage.jobs.train.classes import class_names
from preimage.jobs.train.scoring import ScoringConfig
from preimage.models.config import ConditionalModelConfig, DcganConfig, GanModelConfig
from preimage.models.inception_weights import require_colours, require_weights
from preimage.training.config import LoopConfig
from preimage.training.metric_names import GAN_METRICS


class GanJob(TrainGeneratorJob):
    """The keys of every training run of a generator against a discriminator."""

    makes: ClassVar[frozenset[str]] = frozenset({"generator", "checkpoints"})
    RECORDED: ClassVar[tuple[str, ...]] = GAN_METRICS

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
        return (*headline(*shown, *PACE), *others(*more))

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

    @property
    def packages(self) -> tuple[str, ...]:
        return ("torch-fidelity",) if self.score and not self.score.classifier else ()

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
            self.require_count(class_names(self.data, catalog, ", or set model.classes=0"))

    def require_count(self, names: list[str] | None) -> None:
        """Raise DataError unless the images have as many classes as the model, as far as that is known."""
        if names and len(names) != self.model.classes:
            raise DataError(
                f"model.classes={self.model.classes}, but {self.data.source} has {len(names)} classes: set "
                f"model.classes={len(names)}"
            )

    def run(self, context: Context) -> Result:
        from preimage.jobs.train.run_gan import run

        return run(self, context)
