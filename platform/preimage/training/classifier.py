"""A classifier as an algorithm, and the export of its training run."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from preimage.data.dataset import Dataset, Images
from preimage.data.pixels import to_float
from preimage.float32 import float32_products
from preimage.models.cards import ClassifierConfig
from preimage.models.classifier import Classifier, build_classifier, save_classifier
from preimage.random_streams import Stream, restore
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.labels import labels_below
from preimage.training.metric_names import CLASSIFIER_METRICS
from preimage.training.networks import Networks
from preimage.training.precision import upcast
from preimage.training.training import Training
from preimage.training.worker import Worker

CONFUSION = "confusion.json"
"""In the classifier folder: {counts: K x K}, held-out images by true and predicted class."""


AVERAGED = 8
"""The eta of polynomial-decay averaging (Shamir and Zhang 2013): weights are averaged over the steps, mostly
over the last ninth. It makes up for the learning rate, which does not fall."""

CHUNK = 500
"""Images to classify at a time."""


class ClassifierAlgorithm:
    """A classifier, one step on the cross-entropy of each batch; the result is the steps' average."""

    def __init__(
        self,
        context: AlgorithmContext,
        config: ClassifierConfig,
        optimizer: OptimizerConfig,
        flip: bool = False,
    ) -> None:
        """flip: mirror images left to right at random.

        Raises DataError if an image has no label, or one beyond the classifier's classes.
        """
        self.worker, self.flip = context.worker, flip
        self.labels = labels_below(context, config.classes)
        self.random = context.random(Stream.FLIPS)
        self.classifier = build_classifier(config, context.seed)
        self.average = build_classifier(config, context.seed).to(self.worker.device)
        self.networks = Networks(context, {"classifier": self.classifier}, optimizer)

    def begin(self) -> None:
        """Nothing to do: the weights come from the seed."""

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """One step on the mean cross-entropy."""
        labels = self.labels[rows]
        if self.flip:
            images = self._mirror(images)
        with self.networks.autocast():
            logits = upcast(self.networks["classifier"](images))
        loss = cross_entropy(logits, labels)
        self.networks.backward(loss, self.networks.unwrapped)
        self.networks.step(self.networks.unwrapped, number, {"loss": loss})
        self._update_average(number)
        accuracy = (logits.detach().argmax(1) == labels).float().mean()
        return dict(zip(CLASSIFIER_METRICS, (loss.detach(), accuracy), strict=True))

    @torch.no_grad()
    def _update_average(self, number: int) -> None:
        """Move the average towards the weights and running statistics after step `number`."""
        weight = (AVERAGED + 1) / (AVERAGED + 1 + number)
        now = self.classifier.state_dict()
        for name, mean in self.average.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(self.networks.unless_skipped(now[name], mean), weight)

    def _mirror(self, images: Tensor) -> Tensor:
        count = self.networks.whole(len(images))
        drawn = torch.rand(count, generator=self.random, device=self.worker.device)
        return torch.where(self.worker.part(drawn)[:, None, None, None] < 0.5, images.flip(3), images)

    def require_finite(self) -> None:
        self.networks.require_finite()

    def replicated_state(self) -> dict[str, Any]:
        return self.networks.state() | {
            "average": self.average.state_dict(),
            "random": self.random.get_state(),
        }

    def load_replicated_state(self, state: dict[str, Any]) -> None:
        self.networks.load(state)
        self.average.load_state_dict(state["average"])
        restore(self.random, state["random"])

    def sharded_state(self) -> dict[str, Any]:
        return {}

    def load_sharded_state(self, state: dict[str, Any]) -> None:
        """Nothing to do: there is no sharded state."""

    def samples(self, count: int) -> None:
        """None: a classifier makes no images."""


@dataclass(frozen=True)
class HeldOut:
    """Images that a classifier is not trained on. It is sent to workers, so it holds an address."""

    dataset: Folder
    first: int
    """The first held-out row of the dataset."""
    name: str
    """Their readable name."""
    classes: tuple[str, ...]
    """Names by label, the same as in training."""


def export_classifier(
    held_out: HeldOut,
    worker: Worker,
    algorithm: ClassifierAlgorithm,
    training: Training,
    dataset: Dataset,
    images: Images,
    seen: int,
) -> None:
    """Write the classifier folder, with its accuracy on held-out images.

    Each worker classifies some of them, in the same chunks for any number of workers.
    """
    own = worker.run_or_fail_together(lambda: confusion(algorithm.average, held_out, worker))
    counts = worker.sum(own.to(worker.device)).cpu()

    def save() -> None:
        folder = training.run.product("classifier")
        folder.write_json(CONFUSION, {"counts": counts.tolist()})
        save_classifier(
            algorithm.average,
            folder,
            list(held_out.classes),
            accuracy=accuracy_of(counts),
            held_out=held_out.name,
            training=training.history | {"images_seen": seen},
        )

    worker.run_or_fail_together(save if worker.is_main else _nothing)


@torch.no_grad()
@float32_products("ieee")
def confusion(classifier: Classifier, held_out: HeldOut, worker: Worker) -> Tensor:
    """Count a worker's part of the held-out images by true and predicted class: (K, K) int64, on the CPU."""
    dataset = Dataset.open(held_out.dataset)
    starts = range(held_out.first, dataset.count, CHUNK)[worker.rank :: worker.world_size]
    classes = classifier.config.classes
    counts = torch.zeros(classes * classes, dtype=torch.int64)
    training = classifier.training
    classifier.eval()
    for start in starts:
        some = dataset.read(start, min(start + CHUNK, dataset.count))
        predicted = classifier(to_float(some.pixels.to(worker.device))).argmax(1).cpu()
        counts += torch.bincount(some.labels.long() * classes + predicted, minlength=classes * classes)
    classifier.train(training)
    return counts.reshape(classes, classes)


def accuracy_of(confusion: Tensor) -> float:
    """The fraction of images on the diagonal of (K, K)."""
    return (confusion.diagonal().sum() / confusion.sum()).item()


def read_confusion(folder: Folder) -> Tensor:
    """(K, K) int64, from a classifier folder that `export_classifier` wrote."""
    return torch.tensor(folder.read_json(CONFUSION)["counts"])


def _nothing() -> None:
    """What the other workers do."""
