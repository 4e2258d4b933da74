"""Score sets of images in pieces: in this process or on Ray Data.

A piece is a fixed range of a set. The seed and the piece's number alone decide what it holds. Its scores are
one file, written whole or not at all. So it does not matter where a piece is scored, how often, or what died.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from preimage.data.dataset import Dataset
from preimage.data.pixels import to_uint8
from preimage.errors import GeneratorError
from preimage.jobs.sampling import open_generator
from preimage.latents.priors import Prior
from preimage.metrics.duplicates import thumbnails
from preimage.models.cards import read_card, read_prior_card
from preimage.models.scorer import Scorer, ScorerSource
from preimage.models.weights import packed
from preimage.random_streams import Stream
from preimage.storage.folder import Folder, digest
from preimage.to_device import to_device

BATCH = 64
"""Images made and scored at a time."""


@dataclass(frozen=True)
class ImageSet:
    """Samples of a generator, or rows of a prepared dataset."""

    name: str
    folder: Folder
    """The generator's or the dataset's."""
    sampled: bool
    """Whether they are samples of a generator."""
    count: int
    key: str
    """The identity of what they are made from."""
    first_row: int = 0
    """The dataset's row of the first image."""
    prior: Folder | None = None
    """The fitted prior that samples' codes are drawn from; None for the generator's own."""


def samples_of(name: str, generator: Folder, count: int, prior: Folder | None = None) -> ImageSet:
    """Samples of a generator with its own prior, or with a fitted one."""
    card = read_card(generator)
    drawn_from = read_prior_card(prior).fingerprint if prior else card.prior_fingerprint
    identity = digest(f"{card.fingerprint} {drawn_from}".encode())[:16]
    return ImageSet(name, generator, True, count, f"samples-{identity}", prior=prior)


def rows_of(name: str, dataset: Dataset, max_images: int, first_row: int = 0) -> ImageSet:
    """The images from a row on, `max_images` of them at most."""
    count = max(0, min(max_images, dataset.count - first_row))
    key = f"images-{dataset.fingerprint[:16]}-{first_row}"
    return ImageSet(name, dataset.folder, False, count, key, first_row)


class PieceScores(NamedTuple):
    """What is kept of a piece's images: what the scoring network makes of them, and their thumbnails."""

    logits: Tensor
    """(n, K) float32."""
    features: Tensor
    """(n, F) float32."""
    thumbnails: Tensor
    """(n, C * 64) float32."""


@dataclass(frozen=True)
class ScoringTask:
    """What a worker needs to score any piece of any set. It travels to workers, so it holds addresses."""

    sets: tuple[ImageSet, ...]
    source: ScorerSource
    folder: Folder
    """Holds the pieces that this scoring network has scored."""
    chunk: int
    """Images of a piece; a set's last piece holds the rest."""
    seed: int

    @property
    def places(self) -> list[tuple[ImageSet, int]]:
        """Every piece: its set, and its number there."""
        return [(image_set, piece) for image_set in self.sets for piece in self._numbers(image_set)]

    def rows(self, image_set: ImageSet, piece: int) -> int:
        """Images of a piece."""
        return min(self.chunk, image_set.count - piece * self.chunk)

    def read(self, image_set: ImageSet, piece: int) -> PieceScores | None:
        """A piece's scores; None where its file is missing, cut short or holds something else."""
        folder, name = self.folder / image_set.key, _file(piece)
        try:
            tensors = load(data) if (data := folder.find(name)) else {}
        except SafetensorError:
            return None
        rows = self.rows(image_set, piece)
        if tensors.keys() != set(PieceScores._fields) or any(len(each) != rows for each in tensors.values()):
            return None
        return PieceScores(**tensors)

    def pieces(self, image_set: ImageSet) -> Iterator[PieceScores]:
        """A set's pieces in order, once all of them are scored."""
        for piece in self._numbers(image_set):
            scores = self.read(image_set, piece)
            assert scores, f"{image_set.name}: {_file(piece)} was there"
            yield scores

    def _numbers(self, image_set: ImageSet) -> range:
        """The numbers of a set's pieces."""
        return range(-(-image_set.count // self.chunk))


class PieceScorer:
    """Scores pieces, as pieces of work. It travels to a worker, and opens networks there, once.

    Raises ClassifierError, GeneratorError or DataError where networks or images cannot be read.
    """

    def __init__(self, task: ScoringTask) -> None:
        self.task, self.places = task, task.places
        self._scorer: Scorer | None = None
        self._images: ImageMaker | None = None

    def __call__(self, piece: int, device: torch.device) -> None:
        """Make or read a piece's images, score them, and write the scores."""
        if not self._scorer:
            self._scorer = self.task.source.open(device)
        image_set, number = self.places[piece]
        if not self._images or self._images.image_set != image_set:  # one set after the other
            self._images = ImageMaker(self.task, image_set, device)
        rows = torch.arange(self.task.rows(image_set, number)) + number * self.task.chunk
        parts = [_score(self._scorer, to_device(self._images(some), device)) for some in rows.split(BATCH)]
        columns = zip(PieceScores._fields, zip(*parts, strict=True), strict=True)
        whole = {name: torch.cat(column).cpu() for name, column in columns}
        (self.task.folder / image_set.key).write(_file(number), packed(whole))

    def finished(self, pieces: Sequence[int]) -> dict[int, None]:
        return {piece: None for piece in pieces if self.task.read(*self.places[piece])}

    def size(self, piece: int) -> int:
        """Images of a piece."""
        return self.task.rows(*self.places[piece])


class ImageMaker:
    """Makes or reads any images of a set."""

    def __init__(self, task: ScoringTask, image_set: ImageSet, device: torch.device) -> None:
        self.task, self.image_set, self.device = task, image_set, device
        self._generator: tuple[nn.Module, Prior] | None = None
        self._dataset: Dataset | None = None
        if image_set.sampled:
            self._generator = open_generator(image_set.folder, device, image_set.prior)
        else:
            self._dataset = Dataset.open(image_set.folder)

    def __call__(self, indices: Tensor) -> Tensor:
        """(n, C, H, W) uint8 of indices (n,): samples on the device, rows of a dataset on the CPU. Raises
        GeneratorError for samples that are NaN."""
        if self._dataset:
            first, start = self.image_set.first_row, int(indices.min())
            rows = self._dataset.read(first + start, first + int(indices.max()) + 1)
            return rows.pixels[indices - start]
        assert self._generator
        network, prior = self._generator
        with torch.inference_mode():
            images = network(to_device(self._codes(prior, indices), self.device))
        if not images.isfinite().all():
            name, folder = self.image_set.name, self.image_set.folder
            raise GeneratorError(
                f"{name}: the generator in {folder.uri} makes images that are not finite numbers: its "
                "training diverged; train it again with a lower optimizer.lr"
            )
        return to_uint8(images)

    def _codes(self, prior: Prior, indices: Tensor) -> Tensor:
        """(n, d), of indices (n,): the seed and a piece's number decide its codes."""
        pieces = indices // self.task.chunk
        drawn = {
            piece: prior.sample(
                self.task.rows(self.image_set, piece),
                Stream.EVALUATED_CODES.generator(self.task.seed, piece),
            )
            for piece in set(pieces.tolist())
        }
        places = zip(pieces.tolist(), (indices % self.task.chunk).tolist(), strict=True)
        return torch.stack([drawn[piece][place] for piece, place in places])


def _score(scorer: Scorer, pixels: Tensor) -> PieceScores:
    """Of images on the scorer's device, and there."""
    logits, features = scorer(pixels)
    return PieceScores(logits.float(), features.float(), thumbnails(pixels))


def _file(piece: int) -> str:
    return f"{piece:05d}.safetensors"
