"""Sets of images to be scored, in pieces: in this process or on Ray Data.

A piece is a fixed range of a set. What it holds follows from the seed and the piece alone, and its scores are
one file, written whole or not at all, so that where it is done, how often, and what died changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from preimage.config import Resources
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_uint8
from preimage.errors import GeneratorError
from preimage.jobs.context import Advance
from preimage.jobs.sampling import open_generator, this_device
from preimage.latents.priors import Prior
from preimage.metrics.duplicates import thumbnails
from preimage.models.generator_folder import read_card
from preimage.models.scorer import Scorer, ScorerSource
from preimage.models.weights import packed
from preimage.storage.folder import Folder, digest
from preimage.work.reproducible import prepare_process, seed_of

DRAWN = 4
"""What the codes are drawn for; trainings use 1 to 3."""
BATCH = 64
"""Images made and scored at a time."""


@dataclass(frozen=True)
class ImageSet:
    """Samples of a generator, or rows of a prepared dataset."""

    name: str
    folder: Folder
    """The generator's, or the dataset's."""
    drawn: bool
    """Whether they are samples."""
    count: int
    key: str
    """The identity of what they are made from."""
    first: int = 0
    """The dataset's row that is the first of them."""


def samples_of(name: str, generator: Folder, count: int) -> ImageSet:
    card = read_card(generator)
    identity = digest(f"{card.fingerprint} {card.prior_fingerprint}".encode())[:16]
    return ImageSet(name, generator, True, count, f"samples-{identity}")


def rows_of(name: str, dataset: Dataset, count: int, first: int = 0) -> ImageSet:
    """At most `count` images from row `first` on."""
    count = max(0, min(count, dataset.count - first))
    key = f"images-{dataset.fingerprint[:16]}-{first}"
    return ImageSet(name, dataset.folder, False, count, key, first)


class Scored(NamedTuple):
    """What the scoring network made of images, and what is left of the images themselves."""

    logits: Tensor
    """(n, K) float32."""
    features: Tensor
    """(n, F) float32."""
    thumbnails: Tensor
    """(n, C * 64) float32."""


class Done(TypedDict):
    """What a worker tells of a piece."""

    images: int


@dataclass(frozen=True)
class Task:
    """What a worker needs to score any piece of any set. It travels, so it holds addresses."""

    sets: tuple[ImageSet, ...]
    source: ScorerSource
    folder: Folder
    """Of the pieces that this scoring network has scored."""
    chunk: int
    """Images of a piece; a set's last piece has what is left."""
    seed: int
    cpus: int
    gpu: bool
    """Whether a GPU is used where there is one."""

    @property
    def places(self) -> list[tuple[ImageSet, int]]:
        """Every piece: its set, and its number there."""
        return [(each, i) for each in self.sets for i in range(-(-each.count // self.chunk))]

    @property
    def device(self) -> torch.device:
        return this_device() if self.gpu else torch.device("cpu")

    def rows(self, each: ImageSet, piece: int) -> int:
        """Images of a piece."""
        return min(self.chunk, each.count - piece * self.chunk)

    def read(self, each: ImageSet, piece: int) -> Scored | None:
        """What a piece gave; None where it is not there, was cut short or holds something else."""
        folder, name = self.folder / each.key, _file(piece)
        try:
            found = load(folder.read(name)) if folder.exists(name) else {}
        except SafetensorError:
            return None
        rows = self.rows(each, piece)
        if found.keys() != set(Scored._fields) or any(len(part) != rows for part in found.values()):
            return None
        return Scored(**found)

    def pieces(self, each: ImageSet) -> Iterator[Scored]:
        """Those of a set, in order, all of which are there."""
        for piece in range(-(-each.count // self.chunk)):
            found = self.read(each, piece)
            assert found, f"{each.name}: {_file(piece)} was there"
            yield found


def score_missing(task: Task, resources: Resources, advance: Advance) -> int:
    """Score what is not there yet; `advance` is told of images. Returns how many were scored now.

    Raises ClassifierError, GeneratorError or DataError where networks or images cannot be read.
    """
    places = task.places
    missing = [number for number, place in enumerate(places) if not task.read(*place)]
    total = sum(task.rows(*place) for place in places)
    now, done = 0, total - sum(task.rows(*places[number]) for number in missing)
    advance(done, total)
    for each in _do(PieceScorer(task), missing, resources) if missing else ():
        now += each["images"]
        advance(done + now, total)
    return now


def _do(work: "PieceScorer", pieces: list[int], resources: Resources) -> Iterator[Done]:
    if resources.backend == "local":
        yield from map(work, pieces)
        return
    from preimage.cluster.connect import require  # Ray is not needed otherwise
    from preimage.work.actors import spread

    gpus = 1 if require(resources) else 0
    yield from spread(work, pieces, actors=resources.workers, cpus=resources.cpus_per_worker, gpus=gpus)


class PieceScorer:
    """Scores pieces, by their number among all. It is sent to a worker, and opens networks there, once."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._scorer: Scorer | None = None
        self._images: ImageMaker | None = None

    def __call__(self, number: int) -> Done:
        """Make or read a piece's images, score them, and write what they gave."""
        if not self._scorer:
            prepare_process(self.task.cpus)
            self._scorer = self.task.source.open(self.task.device)
        each, piece = self.task.places[number]
        if not self._images or self._images.each != each:  # one set after the other
            self._images = ImageMaker(self.task, each)
        rows = torch.arange(self.task.rows(each, piece)) + piece * self.task.chunk
        parts = [self._score(self._scorer, self._images(some)) for some in rows.split(BATCH)]
        columns = zip(Scored._fields, zip(*parts, strict=True), strict=True)
        whole = {name: torch.cat(column) for name, column in columns}
        (self.task.folder / each.key).write(_file(piece), packed(whole))
        return Done(images=len(rows))

    def _score(self, scorer: Scorer, pixels: Tensor) -> Scored:
        logits, features = scorer(pixels.to(self.task.device))
        return Scored(logits.float().cpu(), features.float().cpu(), thumbnails(pixels))


class ImageMaker:
    """Any images of a set."""

    def __init__(self, task: Task, each: ImageSet) -> None:
        self.task, self.each = task, each
        self._generator: tuple[nn.Module, Prior] | None = None
        self._dataset: Dataset | None = None
        if each.drawn:
            self._generator = open_generator(each.folder, task.device)
        else:
            self._dataset = Dataset.open(each.folder)

    def __call__(self, indices: Tensor) -> Tensor:
        """(n, C, H, W) uint8 on the CPU, of indices (n,). Raises GeneratorError for samples that are NaN."""
        if self._dataset:
            begin = int(indices.min())
            rows = self._dataset.read(self.each.first + begin, self.each.first + int(indices.max()) + 1)
            return rows.pixels[indices - begin]
        assert self._generator
        network, prior = self._generator
        with torch.inference_mode():
            images = network(self._codes(prior, indices).to(self.task.device)).cpu()
        if not images.isfinite().all():
            raise GeneratorError(
                f"{self.each.name}: the generator in {self.each.folder.uri} makes images that are not finite "
                "numbers: its training diverged; train it again with a lower optimizer.lr"
            )
        return to_uint8(images)

    def _codes(self, prior: Prior, indices: Tensor) -> Tensor:
        """Each piece's codes follow from the seed and its number."""
        pieces = indices // self.task.chunk
        drawn = {
            piece: prior.sample(
                self.task.rows(self.each, piece),
                torch.Generator().manual_seed(seed_of(self.task.seed, DRAWN, piece)),
            )
            for piece in set(pieces.tolist())
        }
        places = zip(pieces.tolist(), (indices % self.task.chunk).tolist(), strict=True)
        return torch.stack([drawn[piece][place] for piece, place in places])


def _file(piece: int) -> str:
    return f"{piece:05d}.safetensors"
