"""The network that scores samples: one of our own classifiers, or Inception."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from preimage.data.pixels import to_float
from preimage.float32 import float32_products
from preimage.models.classifier import Classifier, load_classifier
from preimage.models.folding import fold_batch_norms
from preimage.storage.folder import Folder


@dataclass(frozen=True)
class Scorer:
    """A scoring network, open on a device."""

    network: nn.Module
    """Images (n, C, H, W) uint8 to class logits (n, K) and features (n, F), both float32; in eval mode."""
    score: str
    """The name of its score: `classifier_score` or `inception_score`."""
    distance: str
    """The name of its feature distance: `classifier_frechet_distance` or `fid`."""
    fingerprint: str
    """Identifies what it computes."""
    about: dict[str, Any]
    """Its description for tables."""
    classes: tuple[str, ...]
    """Names of its classes, by number; empty if they have none."""

    @torch.inference_mode()
    @float32_products("ieee")
    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, C, H, W) uint8, on its device, to logits (n, K) and features (n, F), computed in IEEE
        float32 on any device."""
        return self.network(pixels)


@dataclass(frozen=True)
class ScorerSource:
    """Where a scoring network comes from. It is sent to workers, so it holds addresses."""

    classifier: Folder | None
    """A classifier's folder; None for Inception."""
    weights: str | None = None
    """Inception's weights, already on every machine; None downloads them."""

    def open(self, device: torch.device) -> Scorer:
        """Raises ClassifierError if classifier or weights are missing or invalid."""
        if self.classifier:
            classifier, card = load_classifier(self.classifier)
            return Scorer(
                network=_OfBytes(classifier).to(device),
                score="classifier_score",
                distance="classifier_frechet_distance",
                fingerprint=card.fingerprint,
                about={"accuracy": card.accuracy, "held_out": card.held_out},
                classes=tuple(card.classes),
            )
        from preimage.models.inception import open_inception

        network, sha256 = open_inception(self.weights)
        return Scorer(
            network=network.to(device),
            score="inception_score",
            distance="fid",
            fingerprint=sha256,
            about={"weights_sha256": sha256},
            classes=(),
        )


class _OfBytes(nn.Module):
    """A classifier of uint8 images. Takes the classifier's layers: it folds its BatchNorms."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier.eval()
        fold_batch_norms(classifier.maps)
        self.to(memory_format=torch.channels_last)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        images = to_float(pixels.contiguous(memory_format=torch.channels_last))
        features = self.classifier.features(images)
        return self.classifier.logits(features), features
