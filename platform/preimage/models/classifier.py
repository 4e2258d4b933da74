"""The classifier that scores samples where the Inception network is meaningless, and its folder on disk."""

from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from preimage.config import Config, PositiveInt
from preimage.data.image_shape import Channels, Shape, sides
from preimage.errors import ClassifierError
from preimage.models.dcgan import feature_maps, initialise
from preimage.models.dcgan_size import DcganSize
from preimage.models.weights import CONFIG, WEIGHTS, load_weights, packed, read_config
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.storage.formats import CLASSIFIER, Kept, Kind


class ClassifierConfig(Config):
    """Everything needed to rebuild a classifier."""

    image_size: DcganSize
    """Side in pixels, or (height, width)."""
    channels: Channels
    classes: Annotated[int, Field(ge=2)]
    kernel_size: Annotated[int, Field(ge=3, le=9)] = 4
    base_channels: PositiveInt = 32
    """Filters in the layer next to the image; each layer further in has twice as many."""

    @property
    def shape(self) -> Shape:
        """An image's, (C, H, W)."""
        return self.channels, *sides(self.image_size)


class ClassifierCard(Kept):
    """A classifier folder's config.json: how to build it, how good it is, and where it came from."""

    kept_as: ClassVar[Kind] = CLASSIFIER
    classifier: ClassifierConfig
    classes: list[str]
    """Names by label."""
    accuracy: float
    """The fraction of held-out images that it classifies correctly."""
    held_out: str
    """Which images those were."""
    weights_sha256: str
    training: dict[str, Any] = Field(default_factory=dict)
    """Provenance: the job, its fingerprint, images seen, and the data it was trained on."""

    @property
    def fingerprint(self) -> str:
        """Identifies what the classifier computes."""
        return digest(canonical_json([self.classifier.model_dump(), self.weights_sha256]).encode())


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


def read_classifier_card(folder: Folder) -> ClassifierCard:
    """The card in a classifier folder. Raises ClassifierError if the folder holds no classifier."""
    return read_config(folder, ClassifierCard, ClassifierError)


def load_classifier(folder: Folder) -> tuple[Classifier, ClassifierCard]:
    """A classifier in eval mode, on the CPU, and its card.

    Raises ClassifierError if the folder is incomplete or altered, or the weights have the wrong shape.
    """
    card = read_classifier_card(folder)
    build = partial(Classifier, card.classifier)
    return load_weights(build, folder, card.weights_sha256, ClassifierError), card
