"""Find an earlier run, or one of its products, by any name that a user may give."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from preimage.data.dataset import Dataset
from preimage.errors import FormatError, SpecError, StorageError
from preimage.jobs.registry import JOBS
from preimage.models.cards import PRIOR, read_card, read_prior_card
from preimage.plugins import made_with
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.address import command, name_of
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.datasets import prepared
from preimage.tracking.model_uri import is_model_uri, look_up

MLFLOW_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Input:
    """A product that a step needs."""

    product: str
    folder: Folder
    fingerprint: str
    """Of the run that made it; of its content if no run is known."""
    step: str | None = None
    """The earlier step of the same pipeline that makes it."""
    card: Any = None
    """The card of an existing product, read when it was found."""
    model: str | None = None
    """Its address in MLflow, if it was found there: a version, where an alias was given."""

    @property
    def plugins(self) -> dict[str, str]:
        """The versions, by name, of the distributions that reading it takes: those of a fitted prior."""
        if self.product == "prior" and self.card:
            return made_with(self.card.training, f"the prior in {self.folder.uri}")
        if self.product == "generator" and self.card and self.card.prior_fingerprint:
            prior = read_prior_card(self.folder / PRIOR)
            return made_with(prior.training, f"the prior in {(self.folder / PRIOR).uri}")
        return {}


def find_product(
    name: str,
    product: str,
    runs: Folder,
    tracking: TrackingConfig = TrackingConfig(),  # noqa: B008
) -> Input:
    """A product by its own folder, its run's folder or name, or its MLflow run id; a generator also by its
    address in MLflow. Then it is that of its run if that is here, and else is downloaded beside the runs.

    tracking: names the MLflow store. Raises SpecError if there is none, TrackingError if MLflow does not
    answer, and the product's own error, such as GeneratorError, if it is damaged.
    """
    if is_model_uri(name):
        return _find_model(name, product, runs, tracking)
    row, run = PRODUCTS[product], find_run(name, runs)
    folder = find_folder(name, product, runs)
    keeps = not run or row.is_result or product in _makes(run)
    if not keeps or not row.is_whole(folder):
        raise SpecError(_missing(name, product, run, runs))
    card, maker = row.card(folder), run or _maker(folder)
    fingerprint = maker.about()["fingerprint"] if maker else card.fingerprint
    return Input(product, folder, fingerprint, card=card)


def find_folder(name: str, product: str, runs: Folder) -> Folder:
    """Where a product is or would be: in a run's folder, at its own address, or where an import leaves it."""
    if run := find_run(name, runs):
        return run.product(product)
    row, folder = PRODUCTS[product], Folder.at(name)
    if row.imports and not row.is_whole(folder):
        return next(_below(runs.parent / row.imports, name), folder)
    return folder


def find_images(name: str, runs: Folder) -> Dataset:
    """Prepared images: those of a run, or a prepared dataset by its folder, or its name under the results.

    Raises SpecError if there are none, DataError if they are damaged.
    """
    if run := find_run(name, runs):
        if known := prepared(run.about()):
            return Dataset.open(Folder.at(known["address"]))
        raise SpecError(f"the run {run.name} has no images, or they are not prepared")
    for folder in (*_below(runs.parent / "datasets", name), Folder.at(name)):
        if dataset := Dataset.find(folder):
            return dataset
    raise SpecError(
        f"no prepared images {name!r}: they are neither a run's nor a folder that `preimage data prepare` "
        "made"
    )


def _find_model(name: str, product: str, runs: Folder, tracking: TrackingConfig) -> Input:
    if product != "generator":
        raise SpecError(f"{name} is a model in MLflow, but this must be a {PRODUCTS[product].title}")
    found = look_up(name, tracking, runs.parent)
    if run := find_run(found.run_id, runs) if found.run_id else None:
        folder = run.product(product)
        if PRODUCTS[product].is_whole(folder) and read_card(folder).fingerprint == found.fingerprint:
            return replace(find_product(run.folder.uri, product, runs), model=found.uri)
    folder = found.download(runs.parent / str(PRODUCTS[product].imports))
    card = read_card(folder)
    return Input(product, folder, card.fingerprint, card=card, model=found.uri)


def find_run(name: str, runs: Folder) -> RunFolder | None:
    """A run by its name under the results, its folder, or its MLflow run id."""
    for folder in (*_below(runs, name), Folder.at(name)):
        if folder.exists("run.json"):
            return RunFolder(folder)
    if MLFLOW_ID.fullmatch(name):
        for each in runs.names():
            run = RunFolder(runs / each)
            if _mlflow_run_id(run) == name:
                return run
    return None


def hint(name: str, runs: Folder) -> str:
    """Which run may have been meant by a name that none has: the last of a spec of that name, or one whose
    name is close."""
    known = runs.names()
    abouts = ((_about_or_none(RunFolder(runs / each)), each) for each in known)
    of_spec = [(about["created"], each) for about, each in abouts if about and about["name"] == name]
    if of_spec:
        return f"the last run of {name} is {max(of_spec)[1]}"
    if near := get_close_matches(name_of(name), known, n=1):
        return f"did you mean {near[0]}?"
    listed = command("preimage", "runs", results=runs.parent.uri)
    return f"`{listed}` lists the runs" if known else "nothing was run there yet; try `preimage run demo`"


def _about_or_none(run: RunFolder) -> dict[str, Any] | None:
    try:
        return run.about_or_none()
    except FormatError:  # of another version
        return None


def _mlflow_run_id(run: RunFolder) -> str | None:
    return (_about_or_none(run) or {}).get("mlflow_run_id")


def _below(folder: Folder, name: str) -> Iterator[Folder]:
    """What a name stands for below a folder; nothing if it is a path or an address."""
    if "/" not in name and name not in ("", ".", ".."):
        yield folder / name


def finished(run: RunFolder, makes: Collection[str]) -> Outcome | None:
    """The outcome of a finished run that still has its products; None if the run has to resume.
    Checkpoints may have been deleted: a finished training run does not restart for them."""
    outcome = run.outcome()
    results = [row for name, row in PRODUCTS.items() if name in makes and row.is_result]
    return outcome if outcome and all(row.is_whole(run.product(row.name)) for row in results) else None


def _makes(run: RunFolder) -> Collection[str]:
    """The products of a run's job. Every training run has checkpoints, but other runs can resume from few."""
    job = JOBS.get(run.about()["job"])
    return job.makes if job else ()


def _maker(folder: Folder) -> RunFolder | None:
    """The run in whose folder a product lies."""
    try:
        return RunFolder(folder.parent) if folder.parent.exists("run.json") else None
    except StorageError:
        return None


def _missing(name: str, product: str, run: RunFolder | None, runs: Folder) -> str:
    title = PRODUCTS[product].title
    if run:
        state = f"has no {title}" if run.outcome() else "is not finished: run it again to complete it"
        return f"the run {run.name} {state}"
    return (
        f"no {title} {name!r}: it is neither an earlier step, nor a run under the results, "
        f"nor the folder of a {title}; {hint(name, runs)}"
    )
