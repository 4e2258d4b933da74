"""train-classifier: how it runs."""

from functools import partial

from preimage.data.dataset import Dataset
from preimage.jobs.base import Context, Result
from preimage.jobs.held_out_images import held_out
from preimage.jobs.train.classifier import TrainClassifierJob, require_unseen
from preimage.jobs.train.classifier_figures import confusion_png, learning_png
from preimage.jobs.train.running import pace, records_at, train_on_images
from preimage.models.cards import ClassifierConfig, read_classifier_card
from preimage.training.algorithm import AlgorithmContext
from preimage.training.classifier import (
    ClassifierAlgorithm,
    HeldOut,
    export_classifier,
    read_confusion,
)
from preimage.training.config import OptimizerConfig
from preimage.training.labels import classes_of, labels_of, require_known


def run(job: TrainClassifierJob, context: Context) -> Result:
    """Train to the end; leave the classifier and its confusion matrix on held-out images.

    Raises DataError if images have no labels, or a class of held-out images has no training images.
    """
    test = context.dataset(job.test or held_out(job.data, context.catalog))
    names, unseen = _labelled(job, context.dataset(job.data), test)
    shape = {"image_size": job.data.size, "channels": job.data.channels, "classes": len(names)}
    classifier = ClassifierConfig.model_validate(job.model.model_dump() | shape)
    build = partial(_build, classifier, job.optimizer, job.flip)
    train_on_images(job, context, build, partial(export_classifier, unseen))
    return _result(job, context, names)


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
    first = require_unseen(job, test.config, test.count)
    labels = labels_of(dataset)
    names = classes_of(dataset, labels)
    held = labels_of(test, first)
    require_known(held, test.classes or names, labels, names)
    which = f"{test.count - first:,} images of {test.config.source} {test.config.split}"
    which += f" after the first {first:,}" if first else ""
    return names, HeldOut(test.folder, first, which, tuple(names))


def _build(
    model: ClassifierConfig, optimizer: OptimizerConfig, flip: bool, context: AlgorithmContext
) -> ClassifierAlgorithm:
    return ClassifierAlgorithm(context, model, optimizer, flip)
