"""Real processes that race for claims, and a holder that is killed."""

import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import synchronize
from typing import Any

from preimage.errors import ClaimLost
from preimage.storage.claim_record import NAME, State
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
from preimage.storage.host_info import process
from preimage.storage.protocol import Held

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["claim_racers", "preimage.storage.bucket", "preimage.storage.object_storage"])
RACERS = 8
DEAD = "the dead holder's token"


def ended() -> dict[str, Any]:
    """A process of this machine that is no more."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return process() | {"pid": gone.pid}


def race(root: Folder, count: int) -> list[list[str]]:
    """What each of eight processes saw in so many races: `won`, `won after the zombie`, `lost`. Every second
    race has a zombie, a worker of a dead holder: it is the first one, and saw `committed` or `refused`."""
    who = ended()
    for number in range(1, count, 2):
        (root / f"{number}").write(NAME, State(DEAD, who).text())
    barrier, results = CONTEXT.Barrier(RACERS), CONTEXT.Queue()
    racers = [
        CONTEXT.Process(target=_race, args=(servers(), root.uri, index, count, barrier, results), daemon=True)
        for index in range(RACERS)
    ]
    for racer in racers:
        racer.start()
    found = dict(results.get(timeout=20 + count) for _ in racers)
    for racer in racers:
        racer.join()
    return [list(each) for each in zip(*(found[index] for index in range(RACERS)), strict=True)]


def servers() -> dict[str, str]:
    """What a process needs to find the server of the test."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def _race(
    found_by: dict[str, str], uri: str, index: int, count: int, barrier: synchronize.Barrier, results: Any
) -> None:
    os.environ.update(found_by)
    root, seen = Folder.at(uri), []
    for number in range(count):
        folder = root / f"{number}"
        barrier.wait()
        if index == 0 and number % 2:
            seen.append(_commit_late(folder))
            barrier.wait()
            continue
        if number % 2:
            time.sleep(number // 2 % 5 * 0.02)  # what the zombie has begun when the others come
        attempt = folder.claim(process())
        while (found := attempt()) == {}:
            pass
        if isinstance(found, dict):
            seen.append("lost")
            barrier.wait()
            continue
        before = folder.exists("outcome.json")
        if not before:
            replace(folder, held=found.held).commit("outcome.json", f"{index}".encode())
        seen.append("won after the zombie" if before else "won")
        barrier.wait()
        found.release()
    results.put((index, seen))


def _commit_late(folder: Folder) -> str:
    try:
        replace(folder, held=Held(f"{folder.path}/{NAME}", DEAD)).commit("outcome.json", b"zombie")
    except ClaimLost:
        return "refused"
    return "committed"


def hold(found_by: dict[str, str], uri: str, holds: Any) -> None:
    """Claim a folder for ever."""
    os.environ.update(found_by)
    with claimed(Folder.at(uri)):
        holds.set()
        time.sleep(60)
