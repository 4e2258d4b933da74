"""The classifier that scores samples where the Inception network is meaningless, and its folder on disk."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from preimage.errors import ClassifierError
from preimage.models.cards import (
    CONFIG,
    WEIGHTS,
    ClassifierCard,
    ClassifierConfig,
    read_classifier_card,
)
from preimage.models.dcgan import feature_maps, initialise
from preimage.models.weights import load_weights, packed
from preimage.storage.folder import Folder, digest


class Classifier(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to class logits (N, K).

    A DCGAN discriminator's convolutions, the last feature maps averaged over the image, and a linear layer.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.maps, width, _ = feature_maps(config.shape, config.kernel_size, config.base_channels)
        self.logits = nn.Linear(width, config.classes)
        self.apply(initialise)

    def features(self, images: Tensor) -> Tensor:
        """(N, F): the last layer's inputs, by which image sets are compared."""
        return self.maps(images).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.features(images))


def build_classifier(config: ClassifierConfig, seed: int) -> Classifier:
    """A classifier with weights from this seed alone, whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(config)


def save_classifier(
    classifier: Classifier,
    folder: Folder,
    classes: list[str],
    accuracy: float,
    held_out: str,
    training: dict[str, Any],
) -> ClassifierCard:
    """Write a classifier folder; config.json comes last, so a folder that has it is complete."""
    weights = packed(classifier.state_dict())
    card = ClassifierCard(
        classifier=classifier.config,
        classes=classes,
        accuracy=accuracy,
        held_out=held_out,
        weights_sha256=digest(weights),
        training=training,
    )
    folder.write(WEIGHTS, weights)
    folder.write_json(CONFIG, card.stamped())
    return card


def load_classifier(folder: Folder) -> tuple[Classifier, ClassifierCard]:
    """A classifier in eval mode, on the CPU, and its card.

    Raises ClassifierError if the folder is incomplete or altered, or the weights have the wrong shape.
    """
    card = read_classifier_card(folder)
    build = partial(Classifier, card.classifier)
    return load_weights(build, folder, card.weights_sha256, ClassifierError), card
