"""An evaluate job on digits, small enough for tests; the fixture `place` has what it scores."""

import torch

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.jobs.base import Context
from preimage.jobs.evaluate.job import EvaluateJob
from preimage.jobs.evaluate.score_shards import PieceScorer
from preimage.jobs.references import references
from preimage.models.cards import ClassifierConfig
from preimage.models.classifier import build_classifier, save_classifier
from preimage.runs.run_folder import RunFolder

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
TEN = [str(digit) for digit in range(10)]
SETTINGS = Resources(backend="local", gpu=False)


def classifier(folder, classes=TEN, channels=1, size=16, images=None):
    """Random; with images, its last layer gives logits around 0 that differ from image to image."""
    about = ClassifierConfig(image_size=size, channels=channels, classes=len(classes), base_channels=4)
    network = build_classifier(about, seed=0).eval()
    if images is not None:
        with torch.no_grad():
            features = network.features(images)
            network.logits.weight.mul_(3 / network.logits(features).std(0).mean())
            network.logits.bias.sub_(network.logits(features).mean(0))
    save_classifier(network, folder, list(classes), 0.75, "97 held-out digits", {})


def asked(place, **settings):
    generators = {"DCGAN": (place / "gan").uri, "two": [(place / name).uri for name in ("linear", "flat")]}
    small = {"images": 120, "splits": 3, "chunk": 50, "seed": 7}
    return {"generators": generators, "classifier": (place / "classifier").uri} | small | settings


def context(place, digits, job, run="run", **settings):
    inputs = {key: place.at(name) for key, name in references(job).items()}
    datasets = digits.folder.at(digits.folder.uri.rsplit("/", 1)[0])
    resources = SETTINGS.model_copy(update=settings)
    return Context(RunFolder(place / run), Catalog(datasets), "", resources, inputs=inputs)


def start(place, digits, **settings):
    job = EvaluateJob.model_validate(asked(place, **settings))
    return run_job(job, context(place, digits, job))


def step(place, **settings):
    return {"job": "evaluate"} | asked(place, **settings)


def count_scored(monkeypatch):
    seen, call = [], PieceScorer.__call__

    def watched(self, piece, device):
        call(self, piece, device)
        seen.append(piece)

    monkeypatch.setattr(PieceScorer, "__call__", watched)
    return seen
