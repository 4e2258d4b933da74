"""Read a finished run into a record: small, and with all that a reader has to know of how it was made."""

from collections.abc import Iterator
from datetime import datetime

import torch

from preimage.errors import PreimageError
from preimage.runs.metrics import plain_name
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.storage.plain_yaml import load
from preimage.tuning.records import read_records

from .records import Made, Record, Trial
from .without_places import without_places


def record(run: RunFolder) -> Record:
    """The record of a finished run, of its steps, and of the runs that it was made from.

    Raises PreimageError if it is not finished.
    """
    if not (outcome := run.outcome()):
        raise PreimageError(f"the run {run.name} is not finished: run it again to complete it")
    steps = _steps(run)
    sources = {each.name: each for start in (run, *steps.values()) for each in _sources(start)}
    inner = {each.name for each in steps.values()}
    return Record(
        **dict(_made(run)),
        name=outcome.name,
        metrics=without_places(outcome.metrics),
        instruction_set=torch.backends.cpu.get_cpu_capability().lower(),
        git_commit=run.about().get("git_commit"),
        versions=run.about()["versions"],
        steps={name: _made(each, spec=False) for name, each in steps.items()},
        made_from={name: _made(each) for name, each in sorted(sources.items()) if name not in inner},
        trials=tuple(_trials(run)),
    )


def _steps(run: RunFolder) -> dict[str, RunFolder]:
    """A pipeline's steps; of a study, those of its first complete trial, which stand for all."""
    for trial in read_records(run.folder):
        if trial.state == "complete" and trial.run:
            return _steps(RunFolder(run.folder.parent / trial.run))
    outcome = run.outcome()
    steps = outcome.steps if outcome and outcome.steps else {}
    return {name: RunFolder(run.folder.parent / each["run"]) for name, each in steps.items()}


def _made(run: RunFolder, spec: bool = True) -> Made:
    """spec: whether to keep it; a pipeline's own has those of its steps."""
    about = run.about()
    return Made(
        job=about["job"],
        run=run.name,
        fingerprint=about["fingerprint"],
        created=about["created"],
        seconds=_seconds(run, about["created"]),
        device=run.device(),
        made_by=without_places(about.get("made_by", "")),
        images=_images(about.get("dataset")),
        spec=without_places(load(run.folder.read("spec.yaml").decode())) if spec else {},
    )


def _seconds(run: RunFolder, created: str) -> float | None:
    """From its start to its outcome: a run that was interrupted counts the pause."""
    if not run.folder.exists("outcome.json"):
        return None
    return round(
        run.folder.modified_ms("outcome.json") / 1000 - datetime.fromisoformat(created).timestamp(), 1
    )


def _images(dataset: dict[str, str] | None) -> dict[str, int | None]:
    """The prepared images, and how many; None if they are gone."""
    if not dataset:
        return {}
    folder = Folder.at(dataset["address"])
    found = folder.read_json("manifest.json")["count"] if folder.exists("manifest.json") else None
    return {folder.name: found}


def _sources(run: RunFolder) -> Iterator[RunFolder]:
    """The runs whose products a run used, and so on; what was imported has no run."""
    for each in run.about().get("inputs", {}).values():
        maker = RunFolder(Folder.at(each["address"]).parent)
        if maker.about_or_none():
            yield maker
            yield from _sources(maker)


def _trials(study: RunFolder) -> Iterator[Trial]:
    """With the values of the metrics that the study ranks by: its objectives, and those of `correlate`."""
    if not (records := read_records(study.folder)):
        return
    further = load(study.folder.read("spec.yaml").decode()).get("correlate", {})
    for each in records:
        kept = each.model_dump(include={"number", "params", "state", "values", "seconds"})
        kept["values"] |= {
            name: each.metrics[plain] for name in further if (plain := plain_name(name)) in each.metrics
        }
        yield Trial(**without_places(kept))
