"""Claims on an object store, in every order that the seeds find."""

import json
import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

import budget
from preimage.errors import ClaimLost
from preimage.storage.claim_record import FREE, LEASE, State
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
from preimage.storage.object_storage import ObjectStorage
from simulation.objects import Versions
from simulation.processes import Process, Processes

SEEDS = 2000 if budget.WHOLE else 200
CLAIM = "run/.claim"


def folder_of(process: Process) -> Folder:
    return Folder(ObjectStorage(process.objects, "s3", "bucket", clock=process), "bucket/run")


def add(folder: Folder, name: str, entry: str) -> None:
    """Commit a list with one entry more, as a study does with its trials."""
    known = folder.read_json(name) if folder.exists(name) else []
    folder.commit(name, json.dumps([*known, entry]).encode())


@pytest.mark.parametrize("group", range(5))
def test_claims_keep_every_commit_whoever_sleeps_dies_or_gets_no_answer(group: int) -> None:
    """A driver of each process commits, and so does a worker of its. All that was committed is in all later
    versions, in its order; and who lost a claim had given no sign of life for as long as was promised."""
    logging.disable(logging.CRITICAL)
    try:
        for seed in range(group * SEEDS // 5, (group + 1) * SEEDS // 5):
            _try(seed)
    finally:
        logging.disable(logging.NOTSET)


def _try(seed: int) -> None:
    processes = Processes(seed, dies=0.01, sleeps=0.03, loses=0.03)
    processes.content = versions = Versions()
    committed: dict[str, list[str]] = {"run/outcome.json": [], "run/checkpoint/meta.json": []}

    def put(folder: Folder, name: str, entry: str) -> None:
        with suppress(ClaimLost):
            add(folder, name, entry)
            committed[f"run/{name}"].append(entry)

    def drive(process: Process) -> None:
        for attempt in range(2):
            with claimed(folder_of(process)) as (folder, _):
                processes.start(f"{process.name}'s worker", partial(work, folder=folder, attempt=attempt))
                put(folder, "outcome.json", f"{process.name}{attempt}")
                process.sleep(2)
                put(folder, "outcome.json", f"{process.name}{attempt}, later")

    def work(process: Process, folder: Folder, attempt: int) -> None:
        put(replace(folder_of(process), held=folder.held), "checkpoint/meta.json", f"{process.name}{attempt}")

    for name in ("first", "second"):
        processes.start(name, drive)
    last = processes.start("last", lambda process: process.sleep(5000) or drive(process))
    last.mortal = False
    processes.run()

    _check_claims(seed, versions)
    for key, entries in committed.items():
        lists = [[], *(json.loads(text) for text, _ in versions.of.get(key, []))]
        for before, after in pairwise(lists):
            assert after[: len(before)] == before, f"seed {seed}: {key} went from {before} to {after}"
        assert set(entries) <= set(lists[-1]), f"seed {seed}: a commit is gone from {key}"
    assert "last1, later" in json.loads(versions["run/outcome.json"][0]), f"seed {seed}"


def _check_claims(seed: int, versions: Versions) -> None:
    last: dict[str, float] = {}
    token = FREE
    for text, when in versions.of[CLAIM]:
        state = State.of(text)
        if token not in (FREE, state.token) and state.token != FREE:
            assert when - last[token] >= LEASE, f"seed {seed}: taken over from a live holder"
        token = state.token
        last[token] = when
    assert token == FREE, f"seed {seed}: not released"
