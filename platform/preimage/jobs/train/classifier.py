"""train-classifier: a classifier on a dataset's labels, to score samples of such images."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from preimage.config import Config, PositiveInt
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.image_shape import settings_text, shape_text
from preimage.data.sources.open import known_count
from preimage.errors import DataError
from preimage.jobs.base import Context, Metrics, Result, headline
from preimage.jobs.held_out_images import held_out, seen_of
from preimage.jobs.train.base import PACE, TrainOnImagesJob
from preimage.jobs.train.classes import class_names
from preimage.training.config import OptimizerConfig
from preimage.training.metric_names import CLASSIFIER_METRICS


class ClassifierModelConfig(Config):
    """A DCGAN discriminator's convolutions, averaged over the image, and one linear layer."""

    kernel_size: Annotated[int, Field(ge=3, le=9)] = 4
    """Side of the convolution filters in pixels."""
    base_channels: PositiveInt = 32
    """Filters of the layer next to the image; each layer away from it has twice as many."""


class TrainClassifierJob(TrainOnImagesJob):
    """Train a classifier on a dataset's labels, to score samples with."""

    makes: ClassVar[frozenset[str]] = frozenset({"classifier"})
    RECORDED: ClassVar[tuple[str, ...]] = CLASSIFIER_METRICS
    told_apart_by: ClassVar[Mapping[str, str]] = {"model.base_channels": "w"}

    job: Literal["train-classifier"] = "train-classifier"
    test: DataConfig | None = None
    """Held-out images; the accuracy is the fraction of them that is classified correctly. By default the test
    split of `data`, or the images beyond data.max_images if `data` has none, as for digits."""
    model: ClassifierModelConfig = ClassifierModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig(name="adam", lr=1e-3, beta1=0.9)
    flip: bool = False
    """Flip training images left to right at random: for photographs and clothes, not for digits."""

    @model_validator(mode="after")
    def _test_has_same_shape(self) -> "TrainClassifierJob":
        if self.test and self.test.shape != self.data.shape:
            raise ValueError(
                f"test must have data's shape, but is {shape_text(self.test.shape)}: "
                f"set {settings_text(self.data.shape, 'test')}"
            )
        return self

    def metrics(self) -> Metrics:
        return headline("accuracy", "training_accuracy", "loss", "held_out_images", *PACE)

    def check(self, catalog: Catalog) -> None:
        super().check(catalog)
        class_names(self.data, catalog)
        test = self.test or held_out(self.data, catalog)
        count = known_count(test, catalog.open)
        if count is not None:
            require_unseen(self, test, count)

    def run(self, context: Context) -> Result:
        from preimage.jobs.train.run_classifier import run

        return run(self, context)


def require_unseen(job: TrainClassifierJob, test: DataConfig, count: int) -> int:
    """How many of the `count` test images, from the first, are trained on. Raises DataError if all are."""
    data = job.data
    seen = seen_of(data, test, count)
    if seen < count:
        return seen
    remedy = "name others with test" if job.test else "lower data.max_images, or name others with test"
    why = "" if job.test else f" ({data.source} has no test split)"
    raise DataError(
        f"no image is left to measure the accuracy on{why}: training uses all {count:,} of {test.source} "
        f"{test.split}. So {remedy}"
    )
