"""How a run was made, in lines: code, packages, hardware, seeds, images, inputs, products, attempts."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from preimage import hardware
from preimage.data.dataset import Dataset
from preimage.data.image_shape import shape_text
from preimage.data.inventory import facts as facts_of_images
from preimage.errors import PreimageError
from preimage.readable import duration
from preimage.reports.content import Fact, Facts
from preimage.runs import attempts
from preimage.runs.metrics import flatten
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.tracking.lineage import fingerprints
from preimage.tracking.submission_tags import submission_of

log = logging.getLogger(__name__)

HARDWARE, IMAGES = "Hardware", "Images"
SHOWN = 16
"""Digits of a fingerprint."""
ATTEMPTS = 10
"""Most attempts that are listed, the last ones."""


def facts_of(
    run: RunFolder, known: Mapping[str, Any], outcome: Outcome | None, spec: Mapping[str, Any]
) -> list[Facts]:
    """All that is known of a run's making. known: its run.json. spec: the resolved one."""
    parts = (
        Facts("Run", tuple(_run(run, known))),
        Facts("Code and packages", tuple(_code(known))),
        Facts(HARDWARE, tuple(_hardware(run, outcome))),
        Facts("Work", tuple(_work(run, outcome))),
        Facts("Seeds", tuple(_seeds(spec))),
        Facts(IMAGES, tuple(_images(known))),
        Facts("Inputs", tuple(_inputs(known))),
        Facts("What it left", tuple(_products(run, outcome))),
    )
    return [each for each in parts if each.lines]


def _run(run: RunFolder, known: Mapping[str, Any]) -> Iterator[Fact]:
    yield Fact("folder", run.folder.uri)
    yield Fact("fingerprint", known["fingerprint"])
    if part_of := known.get("part_of"):
        yield Fact("part of", part_of)
    for key, value in known.get("varied", {}).items():
        yield Fact(key, str(value))
    if run_id := known.get("mlflow_run_id"):
        page = known.get("mlflow_page") or ""
        yield Fact("in MLflow", run_id, page if page.startswith(("http://", "https://")) else "")
    if submission := known.get("submission"):
        found = submission_of(run, submission)
        yield Fact("submission", f"{submission} by {found.record['user']}" if found else submission)


def _code(known: Mapping[str, Any]) -> Iterator[Fact]:
    if commit := known.get("git_commit"):
        yield Fact("commit", commit)
    for name, version in {**known.get("versions", {}), **known.get("plugins", {})}.items():
        yield Fact(name, str(version))


def of_steps(parts: Iterable[Iterable[Facts]]) -> Iterator[Facts]:
    """What a pipeline says of its steps' hardware and images: each once."""
    found = [each for facts in parts for each in facts if each.title in (HARDWARE, IMAGES)]
    yield from sorted(dict.fromkeys(found), key=lambda each: each.title)


def _hardware(run: RunFolder, outcome: Outcome | None) -> Iterator[Fact]:
    found = attempts.read(run)
    about = (outcome and outcome.hardware) or next((e["hardware"] for e in found if e.get("hardware")), None)
    if about:
        yield Fact("processor", str(about.get("cpu", "not known")))
        yield Fact("used", hardware.text(about))


def _work(run: RunFolder, outcome: Outcome | None) -> Iterator[Fact]:
    found = attempts.read(run)
    for number, each in enumerate(found, 1):
        if number > len(found) - ATTEMPTS:
            yield Fact(f"attempt {number}" if len(found) > 1 else "worked", _attempt(each))
    for name, count in (outcome.cost if outcome else {}).items():
        yield Fact(name, f"{count:,}")


def _attempt(each: Mapping[str, Any]) -> str:
    known = each["began"]
    began = f"{datetime.fromtimestamp(known, UTC):%Y-%m-%d %H:%M:%S} UTC" if known else "earlier"
    took = f", for {duration(each['seconds'])}" if each.get("seconds") else ""
    ended = each.get("ended") or ("killed" if each.get("seconds") is not None else "not ended")
    return f"{began}{took}: {ended}" + (f", {each['error']}" if each.get("error") else "")


def _seeds(spec: Mapping[str, Any]) -> Iterator[Fact]:
    for key, value in flatten(spec).items():
        if key.split(".")[-1] == "seed":
            yield Fact(key.removeprefix("steps."), str(value))


def _images(known: Mapping[str, Any]) -> Iterator[Fact]:
    if not (named := known.get("dataset")):
        return
    yield Fact("source", named["source"])
    yield Fact("prepared in", named["address"])
    try:
        dataset = Dataset.find(Folder.at(named["address"]))
    except PreimageError as error:
        yield Fact("note", f"cannot be read any more: {error}")
        return
    if dataset is None:
        yield Fact("note", "no longer there")
        return
    yield Fact("images", f"{dataset.count:,} of {dataset.available:,}, {shape_text(dataset.shape)}")
    yield Fact("fingerprint", dataset.fingerprint[:SHOWN])
    yield from (Fact(*each) for each in facts_of_images(dataset.contents, dataset.classes, dataset.count))


def _inputs(known: Mapping[str, Any]) -> Iterator[Fact]:
    for key, each in known.get("inputs", {}).items():
        yield Fact(key, f"{each['product']} in {each['address']}{_identified(each)}")


def _identified(each: Mapping[str, Any]) -> str:
    """The fingerprint of a product that is still there."""
    try:
        row, folder = PRODUCTS[each["product"]], Folder.at(each["address"])
        if not row.is_result or not row.is_whole(folder):
            return "" if not row.is_result else ", no longer there"
        return f", fingerprint {row.card(folder).fingerprint[:SHOWN]}"
    except PreimageError as error:
        return f", cannot be read any more: {error}"


def _products(run: RunFolder, outcome: Outcome | None) -> Iterator[Fact]:
    if not outcome or outcome.job == "pipeline":
        return
    try:
        known = fingerprints(run, outcome)
    except PreimageError as error:
        known = {}
        yield Fact("note", f"a product cannot be read any more: {error}")
    for name, address in outcome.products.items():
        identity = f", fingerprint {known[name][:SHOWN]}" if name in known else ""
        yield Fact(PRODUCTS[name].title if name in PRODUCTS else name, f"{address}{identity}")
