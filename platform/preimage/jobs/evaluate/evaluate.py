"""What the scores of sets of images come to, and pictures of them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from preimage.errors import PreimageError
from preimage.jobs.evaluate.figures import blocks_png, classes_png, distances_png, pairs_png
from preimage.jobs.evaluate.report import TEST, TRAINING, Found, Report
from preimage.jobs.evaluate.score_shards import ImageMaker, ImageSet, Task
from preimage.latents.statistics import Moments
from preimage.metrics.duplicates import closest_pairs, near_duplicate_share, nearest, threshold
from preimage.metrics.scores import class_histogram, frechet_distance, inception_score

COMPARED = 10_000
"""Images at most among which near-duplicates are looked for: the work grows with their square."""
SHOWN, PAIRS = 36, 8
"""Images of a set, and closest pairs, in the pictures."""


class Evaluator:
    """Works out the figures of sets whose pieces are all there.

    training: the images that others are compared with. each: images of a split.
    Raises PreimageError with the set's name where a figure cannot be worked out.
    """

    def __init__(self, task: Task, training: ImageSet, splits: int, each: int) -> None:
        self.task, self.training, self.splits, self.each = task, training, splits, each
        _, self.moments, self.thumbnails = self._read(training)
        self.distances: dict[int, Tensor] = {}

    def found(self, one: ImageSet) -> Found:
        """Real images may be fewer: they are cut into fewer splits, of as many images each if possible."""
        logits, moments, thumbnails = self._read(one)
        near = nearest(thumbnails[: len(self.thumbnails)])
        try:
            return Found(
                count=one.count,
                score=inception_score(logits, max(1, min(self.splits, one.count // self.each))),
                distance=None if one == self.training else frechet_distance(moments, self.moments),
                histogram=class_histogram(logits),
                near=near,
                duplicates=near_duplicate_share(near.distances, self._distances(len(near.distances))),
            )
        except PreimageError as error:
            raise type(error)(f"{one.name}: {error}") from error

    def _distances(self, count: int) -> Tensor:
        """(count,) nearest distances among so many training images."""
        if count not in self.distances:
            self.distances[count] = nearest(self.thumbnails[:count]).distances
        return self.distances[count]

    def _read(self, one: ImageSet) -> tuple[Tensor, Moments, Tensor]:
        """All logits (n, K), the features' moments, and the first thumbnails (m, D)."""
        logits, thumbnails, moments = [], [], None
        for piece in self.task.pieces(one):
            logits.append(piece.logits)
            moments = (moments or Moments.empty(piece.features.shape[1])).update(piece.features)
            if sum(map(len, thumbnails)) < COMPARED:
                thumbnails.append(piece.thumbnails)
        assert moments
        return torch.cat(logits), moments, torch.cat(thumbnails)[:COMPARED]


def draw(
    report: Report, task: Task, real: Mapping[str, ImageSet], samples: Mapping[str, Sequence[ImageSet]]
) -> dict[str, bytes]:
    """Pictures by name: samples of each name's first generator, classes, nearest distances, closest pairs."""
    first = {name: real[name] for name in (TEST, TRAINING) if name in real}
    reference = next(iter(first))
    shown = {reference: first[reference]} | {sets[0].name: sets[0] for sets in samples.values()}
    blocks = {name: ImageMaker(task, one)(torch.arange(min(SHOWN, one.count))) for name, one in shown.items()}
    lines = {reference: [report.real[reference]]} | dict(report.runs)
    counts = {name: torch.stack([each.histogram for each in runs]).sum(0) for name, runs in lines.items()}
    training = report.real[TRAINING].near.distances
    distances = {TRAINING: training} | {
        name: torch.cat([each.near.distances for each in runs]) for name, runs in report.runs.items()
    }
    return {
        "samples.png": blocks_png(blocks),
        "classes.png": classes_png(
            {name: each / each.sum() for name, each in counts.items()}, report.scorer.classes
        ),
        "duplicates.png": distances_png(distances, threshold(training)),
        "pairs.png": _pairs(report, task, real[TRAINING], samples),
    }


def _pairs(
    report: Report, task: Task, training: ImageSet, samples: Mapping[str, Sequence[ImageSet]]
) -> bytes:
    """The closest pairs of the training images and of the generator that has most near-duplicates."""
    name, i = report.most_collapsed
    shown = [(training, report.real[TRAINING]), (samples[name][i], report.runs[name][i])]
    pictures = {}
    for one, found in shown:
        pairs = closest_pairs(found.near, PAIRS)
        images = ImageMaker(task, one)(torch.tensor(pairs).flatten())
        pictures[one.name] = (images, [found.near.distances[a].item() for a, _ in pairs])
    return pairs_png(pictures)
