"""train-classifier: a classifier on a dataset's labels, to score samples of such images."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from preimage.config import Config, PositiveInt
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.image_shape import settings_text, shape_text
from preimage.data.sources.open import known_count
from preimage.errors import DataError
from preimage.jobs.base import Context, Metrics, Result, headline
from preimage.jobs.held_out_images import held_out, seen_of
from preimage.jobs.train.base import PACE, TrainOnImagesJob, pace, records_at, train_on_images
from preimage.jobs.train.classes import class_names
from preimage.jobs.train.classifier_figures import confusion_png, learning_png
from preimage.models.classifier import ClassifierConfig, read_classifier_card
from preimage.training.algorithm import AlgorithmContext
from preimage.training.classifier import (
    METRICS,
    ClassifierAlgorithm,
    HeldOut,
    export_classifier,
    read_confusion,
)
from preimage.training.config import OptimizerConfig
from preimage.training.labels import classes_of, labels_of, require_known


class ClassifierModelConfig(Config):
    """A DCGAN discriminator's convolutions, averaged over the image, and one linear layer."""

    kernel_size: Annotated[int, Field(ge=3, le=9)] = 4
    """Side of the convolution filters in pixels."""
    base_channels: PositiveInt = 32
    """Filters of the layer next to the image; each layer away from it has twice as many."""


class TrainClassifierJob(TrainOnImagesJob):
    """Train a classifier on a dataset's labels, to score samples with."""

    makes: ClassVar[frozenset[str]] = frozenset({"classifier"})
    RECORDED: ClassVar[tuple[str, ...]] = METRICS

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
            _require_unseen(self, test, count)

    def run(self, context: Context) -> Result:
        """Train to the end; leave the classifier and its confusion matrix on held-out images.

        Raises DataError if images have no labels, or a class of held-out images has no training images.
        """
        test = context.dataset(self.test or held_out(self.data, context.catalog))
        names, unseen = _labelled(self, context.dataset(self.data), test)
        shape = {"image_size": self.data.size, "channels": self.data.channels, "classes": len(names)}
        classifier = ClassifierConfig.model_validate(self.model.model_dump() | shape)
        build = partial(_build, classifier, self.optimizer, self.flip)
        train_on_images(self, context, build, partial(export_classifier, unseen))
        return _result(self, context, names)


def _result(job: TrainClassifierJob, context: Context, names: list[str]) -> Result:
    folder = context.run.product("classifier")
    card, counts = read_classifier_card(folder), read_confusion(folder)
    seen = card.training["images_seen"]
    metrics = {"accuracy": card.accuracy, "held_out_images": int(counts.sum())}
    curves = context.run.curves()
    metrics |= records_at(job, curves, seen) | pace(curves, seen)
    figures = {
        "confusion.png": confusion_png(counts, names, card.held_out),
        "learning.png": learning_png(curves, card.accuracy),
    }
    return Result(metrics, figures)


def _labelled(job: TrainClassifierJob, dataset: Dataset, test: Dataset) -> tuple[list[str], HeldOut]:
    """The names of the classes, and the held-out images."""
    first = _require_unseen(job, test.config, test.count)
    labels = labels_of(dataset)
    names = classes_of(dataset, labels)
    held = labels_of(test, first)
    require_known(held, test.classes or names, labels, names)
    which = f"{test.count - first:,} images of {test.config.source} {test.config.split}"
    which += f" after the first {first:,}" if first else ""
    return names, HeldOut(test.folder, first, which, tuple(names))


def _require_unseen(job: TrainClassifierJob, test: DataConfig, count: int) -> int:
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


def _build(
    model: ClassifierConfig, optimizer: OptimizerConfig, flip: bool, context: AlgorithmContext
) -> ClassifierAlgorithm:
    return ClassifierAlgorithm(context, model, optimizer, flip)
