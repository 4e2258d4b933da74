"""Runs as their folders have them, without any work: what lists and removes runs reads these files alone."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.tuning.records import TrialRecord, write_record

MARKERS = {"generator": "config.json", "store": "_manifest.json", "checkpoints": "000000000480/meta.json"}


def add_run(
    root: Folder,
    name: str,
    *,
    job: str = "train-gan",
    title: str = "train",
    inputs: Mapping[str, str] = {},
    products: Sequence[str] = (),
    steps: Sequence[str] = (),
    trials: Sequence[str] = (),
    finished: bool = True,
    created: str = "2026-01-02T03:04:05+00:00",
    spec: str = "",
    **about: Any,
) -> RunFolder:
    """inputs: products by key, as RUN/PRODUCT. steps, trials: the names of their runs."""
    run = RunFolder(root / "runs" / name)
    used = {
        key: {"product": each.split("/")[-1], "address": f"{(root / 'runs').uri}/{each}"}
        for key, each in inputs.items()
    }
    about = {"job": job, "name": title, "fingerprint": name, "key": name, "created": created} | about
    run.folder.write_json("run.json", about | {"inputs": used}, durable=False)
    run.folder.write("spec.yaml", (spec or f"job: {job}\n").encode(), durable=False)
    for product in products:
        run.folder.write(f"{product}/{MARKERS[product]}", b"{}", durable=False)
        run.folder.write(f"{product}/data.bin", b"0" * 1000, durable=False)
    for number, trial in enumerate(trials):
        write_record(run.folder, TrialRecord(number=number, params={}, state="complete", run=trial))
    if finished:
        outcome = Outcome(job, title, name, name, {"fid": 12.3456}, run.folder.uri, headline=["fid"])
        parts = {f"step{i}": {"run": each} for i, each in enumerate(steps)} or None
        plain = outcome.plain() | ({"steps": parts} if parts else {})
        run.folder.write("outcome.json", json.dumps({"format": 1} | plain).encode(), durable=False)
    return run


def is_whole(root: Folder, name: str) -> bool:
    """Whether a run looks finished, and has its products."""
    run = RunFolder(root / "runs" / name)
    return bool(run.outcome()) and bool(run.about_or_none())
