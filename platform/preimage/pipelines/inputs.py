"""Find an earlier run, or what it left behind, by whatever a person would call it."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from preimage.errors import SpecError, StorageError
from preimage.jobs.config import Product
from preimage.jobs.registry import JOBS
from preimage.latents.store import Store
from preimage.models.classifier import read_classifier_card
from preimage.models.generator_folder import read_card
from preimage.models.prior_folder import read_prior_card
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.training.checkpoints import committed

MARKS = {"store": "_manifest.json"}
"""The file that shows that a folder holds such a product, whole; config.json for all others."""
MLFLOW_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Input:
    """A product that a step needs."""

    folder: Folder
    fingerprint: str
    """Of the run that made it; of its content where no run is known."""
    step: str | None = None
    """The earlier step of the same pipeline that makes it."""


def find_product(name: str, product: Product, runs: Folder) -> Input:
    """A product by its own folder, its run's folder or name, or its MLflow run id.

    Raises SpecError where there is none, GeneratorError, StoreError or ClassifierError where it is
    damaged.
    """
    run = find_run(name, runs)
    folder = getattr(run, product) if run else Folder.at(name)
    keeps = not run or product != "checkpoints" or product in _gives(run)
    if not keeps or not is_there(folder, product):
        raise SpecError(_missing(name, product, run))
    maker = run or _maker(folder)
    if maker:
        return Input(folder, maker.about()["fingerprint"])
    return Input(folder, _content(folder, product))


def find_run(name: str, runs: Folder) -> RunFolder | None:
    """A run by its name under the results, its folder, or its MLflow run id."""
    for folder in (runs / name, Folder.at(name)):
        if folder.exists("run.json"):
            return RunFolder(folder)
    if MLFLOW_ID.fullmatch(name):
        for each in runs.names():
            run = RunFolder(runs / each)
            if run.folder.exists("run.json") and run.about().get("mlflow_run_id") == name:
                return run
    return None


def is_there(folder: Folder, product: Product) -> bool:
    """Whether a folder holds such a product, whole."""
    if product == "checkpoints":
        return bool(committed(folder))
    return folder.exists(MARKS.get(product, "config.json"))


def finished(run: RunFolder, gives: Iterable[Product]) -> Outcome | None:
    """The outcome of a finished run that still has what it gives; None for one that is to go on. Checkpoints
    may have been deleted: a finished training is not begun again for them."""
    outcome = run.outcome()
    needed: list[Product] = [each for each in gives if each != "checkpoints"]
    return outcome if outcome and all(is_there(getattr(run, each), each) for each in needed) else None


def _content(folder: Folder, product: Product) -> str:
    """The fingerprint of a product itself."""
    match product:
        case "generator":
            return read_card(folder).fingerprint
        case "classifier":
            return read_classifier_card(folder).fingerprint
        case "store":
            return Store.open(folder).fingerprint
        case "prior":
            return read_prior_card(folder).fingerprint
        case "checkpoints":
            return digest(canonical_json(committed(folder)[-1].meta["files"]).encode())


def _gives(run: RunFolder) -> Collection[Product]:
    """What a run's job leaves for others: all trainings have checkpoints, few can be gone on from."""
    job = JOBS.get(run.about()["job"])
    return job.config.GIVES if job else ()


def _maker(folder: Folder) -> RunFolder | None:
    """The run in whose folder a product lies."""
    try:
        return RunFolder(folder.parent) if folder.parent.exists("run.json") else None
    except StorageError:
        return None


def _missing(name: str, product: Product, run: RunFolder | None) -> str:
    if run:
        state = (
            "is not finished: run it again to complete it" if not run.outcome() else f"leaves no {product}"
        )
        return f"the run {run.name} {state}"
    return (
        f"no {product} {name!r}: it is neither an earlier step, nor a run under the results, "
        f"nor a {product}'s folder"
    )
