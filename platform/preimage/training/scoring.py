"""Score a generator's samples at every checkpoint of its training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from preimage.data.dataset import Images
from preimage.data.pixels import to_uint8
from preimage.float32 import float32_products
from preimage.inversion.labels import classes_of, generate, in_batches, spread_labels
from preimage.latents.priors import Prior
from preimage.latents.statistics import Moments
from preimage.metrics.scores import class_entropy, class_histogram, frechet_distance, inception_score
from preimage.models.scorer import ScorerSource
from preimage.random_streams import Stream
from preimage.to_device import to_device
from preimage.training.moments import over_workers
from preimage.training.worker import Worker

BATCH = 64
"""Images to generate and score at a time."""


@dataclass(frozen=True)
class Scoring:
    """An Evaluation of generators: the scoring network, and how many samples to score. It is sent to workers
    and makes each worker's Evaluator there."""

    source: ScorerSource
    images: int
    """Samples per score, and real images to compare them with."""

    def evaluator(self, worker: Worker, images: Images, first: int, seed: int) -> Evaluator:
        return Evaluator(worker, self, images, first, seed)


class Evaluator:
    """A CheckpointEvaluator of generators: scores samples of the same codes every time, each worker its part.

    images: the worker's shard, which begins at row `first` of the dataset; the dataset's first images are the
    real ones. Raises ClassifierError if the scoring network cannot be opened.
    """

    def __init__(self, worker: Worker, scoring: Scoring, images: Images, first: int, seed: int) -> None:
        self.worker, self.count, self.seed = worker, scoring.images, seed
        self.scorer = worker.run_or_fail_together(lambda: scoring.source.open(worker.device))
        real = images.pixels[: max(0, scoring.images - first)]
        seen = real if len(real) else images.pixels[:1]  # one image, to learn the number of features
        some = [self.scorer(to_device(pixels, worker.device)) for pixels in seen.split(BATCH)]
        features = torch.cat([each for _, each in some])[: len(real)]
        self.real = over_workers(worker, Moments.empty(features.shape[1]).update(features))

    def score(self, algorithm: Any) -> dict[str, float]:
        """Score an algorithm's generator, with codes of its prior."""
        return self.of(algorithm.generator, algorithm.prior)

    def of(self, generator: nn.Module, prior: Prior) -> dict[str, float]:
        """Score all samples as one split: the score, the distance to real images, the class entropy in nats.
        A conditional generator makes equally many of each class.

        generator: on the worker's device; used in eval mode, then restored.
        """
        random = Stream.SCORED_CODES.generator(self.seed, device=self.worker.device)
        codes = self.worker.part(prior.sample(self.count, random))
        labels = spread_labels(self.count, classes_of(generator), self.worker.device)
        labels = labels if labels is None else self.worker.part(labels)
        training = generator.training
        generator.eval()
        scored = [self._score(generator, *some) for some in in_batches(codes, labels, BATCH)]
        generator.train(training)
        features = torch.cat([each for _, each in scored])
        moments = over_workers(self.worker, Moments.empty(features.shape[1]).update(features))
        logits = torch.cat(self.worker.gather(torch.cat([each for each, _ in scored]).cpu()))
        return {
            self.scorer.score: inception_score(logits, splits=1).mean,
            self.scorer.distance: frechet_distance(moments, self.real),
            "class_entropy": class_entropy(class_histogram(logits)),
        }

    @torch.inference_mode()
    @float32_products("ieee")
    def _score(self, generator: nn.Module, codes: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.scorer(to_uint8(generate(generator, codes, labels)))
