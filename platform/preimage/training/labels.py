"""The classes of a dataset's images: what a classifier and a conditional generator are trained on."""

import torch
from torch import Tensor

from preimage.data.dataset import Dataset
from preimage.errors import DataError
from preimage.training.algorithm import AlgorithmContext

PIECE = 8192
"""Images to read at a time."""

NAMED = 5  # classes in a message


def labels_of(dataset: Dataset, first: int = 0) -> Tensor:
    """The classes (n,) int64 of a dataset's images from `first` on. Raises DataError if one has none."""
    pieces = (
        dataset.read(begin, min(begin + PIECE, dataset.count)).labels
        for begin in range(first, dataset.count, PIECE)
    )
    labels = torch.cat(list(pieces)).long()
    require_labels(labels, f"{dataset.config.source} {dataset.config.split}")
    return labels


def require_labels(labels: Tensor, what: str) -> None:
    """Raise DataError if an image has no class."""
    unlabelled = int((labels < 0).sum())
    if unlabelled:
        raise DataError(
            f"this training needs labels, but {unlabelled:,} of {len(labels):,} images of {what} have "
            "none: name a source with classes (preimage data list), or a folder of images with a folder "
            "for each class"
        )


def labels_below(context: AlgorithmContext, classes: int) -> Tensor:
    """The classes (n,) int64 of a worker's images, on its device.

    Raises DataError if one has no label, or one beyond these classes.
    """
    labels = context.images.labels.long()
    require_labels(labels, "the training set")
    if int(labels.max()) >= classes:
        raise DataError(f"labels must be below {classes}, the number of classes, but got {int(labels.max())}")
    return labels.to(context.worker.device)


def classes_of(dataset: Dataset, labels: Tensor) -> list[str]:
    """Names of a dataset's classes, by label. Raises DataError if there is only one."""
    names = dataset.classes or [str(label) for label in range(int(labels.max()) + 1)]
    if len(names) < 2:
        raise DataError(
            f"a classifier needs at least two classes, but all images of {dataset.config.source} are of "
            f"class {names[0]!r}"
        )
    return names


def require_known(held_out: Tensor, names: list[str], trained: Tensor, own: list[str]) -> None:
    """Raise DataError if held-out images have a class that the classifier cannot know.

    held_out, trained: the labels of both sets. names, own: their class names by label.
    """
    known = {own[label] for label in trained.unique().tolist()}
    unknown = [names[label] for label in held_out.unique().tolist() if names[label] not in known]
    if unknown:
        raise DataError(
            f"held-out images have classes that the classifier does not know: no training image is of "
            f"{_some(unknown)}. Train on more images (data.max_images), or name other held-out images "
            "with test"
        )
    if names != own:
        raise DataError(
            "the held-out images' class numbers differ from the training images' "
            f"({_some(names)}; {_some(own)}): make them train/ and test/ of one folder"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
