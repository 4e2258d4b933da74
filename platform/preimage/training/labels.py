"""The classes of a dataset's images: what a classifier is trained on, and held to."""

import torch
from torch import Tensor

from preimage.data.dataset import Dataset
from preimage.errors import DataError

PIECE = 8192
"""Images read at a time."""

NAMED = 5  # classes in a message


def labels_of(dataset: Dataset, first: int = 0) -> Tensor:
    """The classes (n,) int64 of a dataset's images from `first` on. Raises DataError where one has none."""
    pieces = (
        dataset.read(begin, min(begin + PIECE, dataset.count)).labels
        for begin in range(first, dataset.count, PIECE)
    )
    labels = torch.cat(list(pieces)).long()
    require_labels(labels, f"{dataset.config.source} {dataset.config.split}")
    return labels


def require_labels(labels: Tensor, what: str) -> None:
    """Raise DataError where an image has no class."""
    without = int((labels < 0).sum())
    if without:
        raise DataError(
            f"{without:,} of {len(labels):,} images of {what} have no label, and a classifier learns from "
            "labels: name a source with classes (preimage data list), or a folder of images with a folder "
            "for each class"
        )


def classes_of(dataset: Dataset, labels: Tensor) -> list[str]:
    """Names of a dataset's classes, by label. Raises DataError where there is one alone."""
    names = dataset.classes or [str(label) for label in range(int(labels.max()) + 1)]
    if len(names) < 2:
        raise DataError(
            f"all images of {dataset.config.source} are of one class, {names[0]!r}: there is "
            "nothing to tell apart"
        )
    return names


def require_known(held_out: Tensor, names: list[str], trained: Tensor, own: list[str]) -> None:
    """Raise DataError where held-out images are of a class that the classifier cannot know.

    held_out, trained: labels of both sets. names, own: names by label of each.
    """
    known = {own[label] for label in trained.unique().tolist()}
    strange = [names[label] for label in held_out.unique().tolist() if names[label] not in known]
    if strange:
        raise DataError(
            f"there are more classes than the classifier knows: no training image is of "
            f"{_some(strange)}, but held-out images are. Train on more images "
            "(data.max_images), or name other held-out ones with test"
        )
    if names != own:
        raise DataError(
            "the held-out images' classes are numbered otherwise than the training's "
            f"({_some(names)}; {_some(own)}): make them train/ and test/ of one folder"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
