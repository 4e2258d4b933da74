"""Write the corpus: one folder for each kind of thing that is kept, in the format of today.

    python tests/formats/make.py

Folders of other formats stay as they are: README.md beside this file says when to run it.
"""

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from preimage import api
from preimage._version import __version__
from preimage.cluster import submissions
from preimage.cluster.upload import Upload
from preimage.errors import StoppedEarly
from preimage.importing.save import save_generator
from preimage.latents.priors import Gaussian
from preimage.latents.statistics import Moments
from preimage.library import submit
from preimage.models.cards import ClassifierConfig
from preimage.models.classifier import build_classifier, save_classifier
from preimage.models.prior_folder import save_prior
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.specs.load import loads
from preimage.specs.study import loads_study
from preimage.storage import formats
from preimage.storage.folder import Folder, as_json
from preimage.tuning.plan import StudyPlan, plan_study
from preimage.tuning.study import run_study
from preimage.tuning.trial import run_trial

HERE = Path(__file__).parent
EXAMPLES = {
    "run": formats.RUN,
    "checkpoint": formats.CHECKPOINT,
    "study": formats.TRIAL,
    "generator": formats.GENERATOR,
    "program": formats.PROGRAM,
    "classifier": formats.CLASSIFIER,
    "prior": formats.PRIOR,
    "store": formats.STORE,
    "dataset": formats.DATASET,
    "submission": formats.SUBMISSION,
}
"""The kind that each folder is an example of; the folder's name ends in the number of its format."""
DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 24}
MODEL = {"latent_dim": 3, "kernel_size": 3, "base_channels": 1}
HERE_ONLY = {
    "tracking": {"uri": "none"},
    "resources": {"backend": "local", "gpu": False, "checkpoint_seconds": 0},
}
GAN = HERE_ONLY | {
    "job": "train-gan",
    "data": DATA,
    "model": MODEL,
    "training": {"total_images": 72, "batch_size": 24, "log_every": 24, "sample_every": 72}
    | {"checkpoint_every": 48},
}
"""A GAN of a few hundred weights and three steps; the last checkpoint before its end is after the second."""
STUDY = {
    "tracking": {"uri": "none"},
    "trial": {"job": "init-generator", "data": DATA, "model": MODEL, "resources": HERE_ONLY["resources"]},
    "space": {"model.kernel_size": {"choice": [3, 4, 5]}},
    "objectives": {"parameters": "minimize"},
    "sampler": {"name": "grid"},
}
"""Three trials, of which two have ended."""
FIXED = {
    "created": "2026-01-02T03:04:05+00:00",
    "time": "2026-01-02T03:04:05+00:00",
    "time_ms": 0,
    "user": "someone",
    "host": "somewhere",
    "pid": 1,
    "git_commit": None,
    "mlflow_run_id": "0" * 32,
    "began": 0.0,
    "seconds": 0.0,
    "hardware": {"cpu": "a processor", "instructions": "avx2", "cores": 1},
    "images_per_second": 1000.0,
    "versions": {"preimage": __version__},
    "torch": "2",
}
"""What differs from one making, or one machine, to the next."""


def make(corpus: Path) -> None:
    """Write every folder of today's formats into `corpus`."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve() / "results"
        for name, made in _examples(root).items():
            target = corpus / f"{name}-{EXAMPLES[name].number}"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(made, target, ignore=_left_out)
            for file in (each for each in target.rglob("*") if each.suffix in (".json", ".yaml")):
                _fix(file, str(root))


def train(root: Path, stop_at: int = 0) -> Path:
    """The folder of a training run under these results, which is interrupted after `stop_at` images."""

    def rule(images: int, _: Any) -> str | None:
        return "enough" if images == stop_at else None

    plan = make_plan(loads(GAN | {"results": str(root)}, "the spec", "gan"))
    with suppress(StoppedEarly):
        execute(plan, stop_early=rule)
    return plan.run.folder.local


def study(root: Path) -> StudyPlan:
    return plan_study(loads_study(STUDY | {"results": str(root)}, "the spec", "sizes", None, ()))


def _examples(root: Path) -> dict[str, Path]:
    """Where each example was made."""
    run = train(root)
    invert = {"job": "invert", "generator": str(run), "inversion": {"steps": 3}, "rank_sample": 4}
    codes = api.run(HERE_ONLY | invert, {"results": str(root)})
    trials = study(root)
    _run_two(trials)
    return {
        "run": run,
        "checkpoint": train(root.parent / "begun", stop_at=72),
        "study": trials.run.folder.local,
        "generator": run / "generator",
        "program": _program(root / "program"),
        "classifier": _classifier(root / "classifier"),
        "prior": _prior(root / "prior"),
        "store": Path(codes.products["store"]),
        "dataset": next((root / "datasets").iterdir()),
        "submission": _submission(root),
    }


def _run_two(plan: StudyPlan) -> None:
    def interrupted(study: Any, number: int, *rest: Any) -> Any:
        if number == 2:
            raise KeyboardInterrupt
        return run_trial(study, number, *rest)

    with mock.patch("preimage.tuning.study.run_trial", interrupted), suppress(KeyboardInterrupt):
        run_study(plan)


class Net(nn.Module):
    """A stranger's network, of known weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 64)
        with torch.no_grad():
            self.layer.weight.copy_(torch.linspace(-1, 1, 128).view(64, 2))
            self.layer.bias.zero_()

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.layer(codes)).view(-1, 1, 8, 8)


def _program(place: Path) -> Path:
    save_generator(Net(), place, latent_dim=2)
    return place


def _classifier(place: Path) -> Path:
    config = ClassifierConfig(image_size=16, channels=1, classes=2, kernel_size=3, base_channels=1)
    network = build_classifier(config, seed=0)
    save_classifier(network, Folder.at(place), ["no", "yes"], 0.75, "eight images", {"images_seen": 24})
    return place


def _prior(place: Path) -> Path:
    z = torch.eye(4)[:, :3]
    save_prior(Gaussian.fit(Moments.empty(3).update(z), "space"), Folder.at(place), {"job": "fit-prior"})
    return place


def _submission(root: Path) -> Path:
    planned = api.plan(GAN | {"results": str(root)})
    submission = submissions.create(Folder.at(root), "gan")
    submission = submissions.Submission(submission.folder.parent / "gan-20260102-030405-abcd")
    submit._record(submission, planned, "http://head:8265", Upload({"preimage/a.py": 1}, b"a zip file"))
    submission.update({"attempt": 1, "state": "finished", "host": "head", "pid": 1, "ray_job": None})
    submission.makes(planned.run.folder.uri, planned.fingerprint)
    submission.logs.write("0001-0001.txt", b"it runs\n")
    return submission.folder.local


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Pictures, what is rebuilt, and products that are examples of their own."""
    left = {"samples", "figures", "setups", "system", "progress.json", "mirror.json", "optuna.log"} | {
        name for name in names if name.startswith(".")
    }
    if Path(folder).parent.name == "runs":
        left |= {"generator", "store"}
        if Path(folder).parents[1].name == "results":
            left |= {"checkpoints"}
    return left


def _fix(file: Path, root: str) -> None:
    """Put fixed values for what differs each time. The results' root becomes /results."""
    text = file.read_text().replace(root.replace("/results", "/begun"), "/results").replace(root, "/results")
    if file.suffix == ".json" and any(f'"{key}"' in text for key in FIXED):
        value = _fixed(json.loads(text))
        if file.name == "run.json":
            value["key"] = "0" * 32
        text = as_json(value).decode()
    file.write_text(text)


def _fixed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _fixed(each) if key not in FIXED else FIXED[key] for key, each in value.items()}
    return [_fixed(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    make(HERE)
