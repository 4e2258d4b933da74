"""attempts.json: when a run's job worked, on what, and how each attempt ended.

An attempt that was killed wrote no end. It is taken from the last sign of life that it left: a record in
log/, a sample of system metrics, or the progress.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import ConfigDict

from preimage.config import Config
from preimage.errors import how_it_ended
from preimage.runs.run_folder import RunFolder
from preimage.storage.validated_json import read_or_none

FILE = "attempts.json"
LONGEST = 300
"""Characters of an error that are kept."""


class Attempt(Config):
    """One attempt."""

    model_config = ConfigDict(strict=True, extra="allow")

    began: float
    """Seconds since 1970, by the clock of the machine that drove it."""
    seconds: float | None = None
    """None until it ends."""
    ended: Literal["finished", "failed", "stopped"] | None = None
    error: str = ""
    """Why it failed, or was stopped early."""
    hardware: dict[str, Any] | None = None


@contextmanager
def attempt(
    run: RunFolder, hardware: dict[str, Any] | None, clock: Callable[[], float] = time.time
) -> Iterator[None]:
    """Record that the job works until the block ends, and how it ended."""
    before = [_closed(run, each) for each in read(run)]
    own: dict[str, Any] = {"began": clock()} | ({"hardware": hardware} if hardware else {})

    def note(ended: str, error: str = "") -> None:
        found = own | {"seconds": round(max(0.0, clock() - own["began"]), 3), "ended": ended}
        run.folder.write_json(FILE, [*before, found | ({"error": error[:LONGEST]} if error else {})])

    run.folder.write_json(FILE, [*before, own])
    try:
        yield
    except BaseException as error:
        ended, why = how_it_ended(error)
        note(ended, why.split("\n")[0])
        raise
    note("finished")


def note_unknown(run: RunFolder) -> None:
    """Note that earlier attempts recorded nothing."""
    run.folder.write_json(FILE, [{"began": 0.0, "seconds": 0.0}])


def read(run: RunFolder) -> list[dict[str, Any]]:
    """The attempts of a run, as `Attempt` has them. Raises StorageError if the file was altered."""
    return read_or_none(run.folder, FILE, list[Attempt]) or []


def seconds(attempts: list[dict[str, Any]]) -> float | None:
    """How long the attempts that have ended worked in all; None if it is not known of one."""
    known = bool(attempts) and all(each["began"] for each in attempts)
    return round(sum(each.get("seconds") or 0.0 for each in attempts), 3) if known else None


def hardware(attempts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What all attempts worked on; None if they differ, or if it is not known of one."""
    found = [each.get("hardware") for each in attempts]
    return found[0] if found and all(each == found[0] for each in found) else None


def _closed(run: RunFolder, found: dict[str, Any]) -> dict[str, Any]:
    """An earlier attempt with its time: estimated if it was killed."""
    if found.get("seconds") is not None:
        return found
    return found | {"seconds": round(max(0.0, _last_sign(run) - found["began"]), 3)}


def _last_sign(run: RunFolder) -> float:
    """When a killed attempt is last known to have worked, in seconds since 1970; 0 if nothing tells."""
    progress = run.progress()
    files = [run.folder / name for name in ("log", "system")]
    times = [each.modified_ns / 1e9 for folder in files for each in folder.entries()]
    return max([progress["time"] if progress else 0.0, *times], default=0.0)
