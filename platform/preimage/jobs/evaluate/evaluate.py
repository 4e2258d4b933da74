"""Work out the metrics of scored sets of images, and draw the sets."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from preimage.errors import PreimageError
from preimage.jobs.evaluate.figures import blocks_png, classes_png, distances_png, pairs_png
from preimage.jobs.evaluate.report import TEST, EvaluateReport, SetMetrics
from preimage.jobs.evaluate.score_shards import ImageMaker, ImageSet, ScoringTask
from preimage.jobs.published import TRAINING
from preimage.latents.statistics import Moments
from preimage.metrics.duplicates import closest_pairs, near_duplicate_share, nearest, threshold
from preimage.metrics.scores import class_histogram, frechet_distance, inception_score

MAX_COMPARED = 10_000
"""Images at most among which near-duplicates are looked for: the work grows with their square."""
CPU = torch.device("cpu")  # where the few images of the figures are made
SHOWN_IMAGES, SHOWN_PAIRS = 36, 8
"""Images of a set, and closest pairs, in the figures."""


class Evaluator:
    """Works out the metrics of sets whose pieces are all scored.

    training: the images that others are compared with.
    Raises PreimageError with the set's name where a metric cannot be worked out.
    """

    def __init__(self, task: ScoringTask, training: ImageSet, splits: int, images_per_split: int) -> None:
        self.task, self.training = task, training
        self.splits, self.images_per_split = splits, images_per_split
        _, self.moments, self.thumbnails = self._read(training)
        self.distances: dict[int, Tensor] = {}

    def evaluate(self, image_set: ImageSet) -> SetMetrics:
        """Fewer real images are cut into fewer splits, of as many images each where possible."""
        logits, moments, thumbnails = self._read(image_set)
        near = nearest(thumbnails[: len(self.thumbnails)])
        splits = max(1, min(self.splits, image_set.count // self.images_per_split))
        try:
            return SetMetrics(
                count=image_set.count,
                score=inception_score(logits, splits),
                distance=None if image_set == self.training else frechet_distance(moments, self.moments),
                histogram=class_histogram(logits),
                nearest=near,
                near_duplicates=near_duplicate_share(
                    near.distances, self._training_distances(len(near.distances))
                ),
            )
        except PreimageError as error:
            raise type(error)(f"{image_set.name}: {error}") from error

    def _training_distances(self, count: int) -> Tensor:
        """(count,) nearest distances among the first training images."""
        if count not in self.distances:
            self.distances[count] = nearest(self.thumbnails[:count]).distances
        return self.distances[count]

    def _read(self, image_set: ImageSet) -> tuple[Tensor, Moments, Tensor]:
        """All logits (n, K), the features' moments, and the first thumbnails (m, D)."""
        logits, thumbnails, moments = [], [], None
        for piece in self.task.pieces(image_set):
            logits.append(piece.logits)
            moments = (moments or Moments.empty(piece.features.shape[1])).update(piece.features)
            if sum(map(len, thumbnails)) < MAX_COMPARED:
                thumbnails.append(piece.thumbnails)
        assert moments
        return torch.cat(logits), moments, torch.cat(thumbnails)[:MAX_COMPARED]


def draw(
    report: EvaluateReport,
    task: ScoringTask,
    real: Mapping[str, ImageSet],
    samples: Mapping[str, Sequence[ImageSet]],
) -> dict[str, bytes]:
    """Figures by file name: samples of each name's first generator, the classes, nearest distances, and the
    closest pairs."""
    reference = next(name for name in (TEST, TRAINING) if name in real)
    shown = {reference: real[reference]} | {sets[0].name: sets[0] for sets in samples.values()}
    blocks = {
        name: ImageMaker(task, image_set, CPU)(torch.arange(min(SHOWN_IMAGES, image_set.count)))
        for name, image_set in shown.items()
    }
    training = report.real[TRAINING].nearest.distances
    distances = {TRAINING: training} | {
        name: torch.cat([each.nearest.distances for each in runs]) for name, runs in report.runs.items()
    }
    return {
        "samples.png": blocks_png(blocks),
        "classes.png": classes_png(_class_shares(report, reference), report.scorer.classes),
        "duplicates.png": distances_png(distances, threshold(training)),
        "pairs.png": _pairs(report, task, real[TRAINING], samples),
    }


def _class_shares(report: EvaluateReport, reference: str) -> dict[str, Tensor]:
    """(K,) fractions of images by class, of the reference images and of each name."""
    lines = {reference: [report.real[reference]]} | dict(report.runs)
    counts = {name: torch.stack([each.histogram for each in runs]).sum(0) for name, runs in lines.items()}
    return {name: each / each.sum() for name, each in counts.items()}


def _pairs(
    report: EvaluateReport,
    task: ScoringTask,
    training: ImageSet,
    samples: Mapping[str, Sequence[ImageSet]],
) -> bytes:
    """The closest pairs of the training images and of the generator with the most near-duplicates."""
    name, i = report.most_collapsed
    shown = [(training, report.real[TRAINING]), (samples[name][i], report.runs[name][i])]
    pictures = {}
    for image_set, metrics in shown:
        pairs = closest_pairs(metrics.nearest, SHOWN_PAIRS)
        images = ImageMaker(task, image_set, CPU)(torch.tensor(pairs).flatten())
        pictures[image_set.name] = (images, [metrics.nearest.distances[a].item() for a, _ in pairs])
    return pairs_png(pictures)
