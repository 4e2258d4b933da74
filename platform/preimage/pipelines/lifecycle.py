"""The lifecycle of a run of a step, a pipeline or a study: locked, registered, recorded, finished."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from preimage.errors import PreimageError, StorageError, TrackingError, how_it_ended
from preimage.jobs.base import Result
from preimage.pipelines.provenance import git_commit, submitted_as, versions
from preimage.runs.run_folder import REPORT, RUN_FILES, Outcome, RunFolder
from preimage.storage.address import command
from preimage.storage.claims import claimed
from preimage.storage.formats import RUN
from preimage.storage.host_info import now
from preimage.storage.plain_yaml import dump
from preimage.storage.protocol import Claim
from preimage.storage.removal import clear, is_marked
from preimage.tracking.mirror import Mirror

log = logging.getLogger(__name__)

Report = Callable[[RunFolder, Outcome], object]
"""Writes the page on a finished run. Raises PreimageError if it cannot."""


def live(
    mirror: Mirror,
    finished: Callable[[], Outcome | None],
    register: Callable[[], None],
    make: Callable[[RunFolder, Claim], Outcome],
    check: Callable[[], None] = lambda: None,
    report: Report | None = None,
) -> Outcome:
    """The outcome of a run; make it first unless it is finished. One process at a time makes it.

    finished: returns the outcome if nothing is left to do. register: describes the run in its folder. make:
    does what is missing, in the folder as the holder of its claim has it. check: raises ClaimLost if what
    this run is part of is another process's now. report: writes the page on a finished run. Raises what
    `make` raises, and ClaimLost if another process has taken over; results so far are kept.
    """
    made, outcome = False, finished()
    if not outcome or not mirror.run.about_or_none():
        with claimed(mirror.run.folder, check) as (folder, claim):
            outcome = finished()  # another process may have made it
            if not outcome:
                if is_marked(folder):  # its removal was interrupted
                    clear(folder, RUN_FILES)
                register()
                with _recorded(mirror):
                    outcome = make(RunFolder(folder), claim)
                    if report:
                        folder.remove(REPORT)  # of an earlier outcome
                    RunFolder(folder).finish(outcome)
                    made = True
            elif not mirror.run.about_or_none():
                register()
                tell(mirror.begin)  # run.json names the tracker's run
    else:
        mirror.run.folder.settle()  # whoever asks relies on it
    try:
        if report and (made or not mirror.run.folder.exists(REPORT)):
            _write(report, mirror.run, outcome)
    finally:
        tell(mirror.finish)
    return replace(outcome, mlflow_run_id=mirror.notes.run_id or outcome.mlflow_run_id)


def register(run: RunFolder, about: dict[str, Any], spec: dict[str, Any]) -> None:
    """Describe a new run in its folder. Its key identifies it wherever it is recorded."""
    if run.about_or_none():
        return
    write_spec(run, spec)
    made_with = {"git_commit": git_commit(), "versions": versions(), **submitted_as()}
    run.folder.write_json(
        "run.json", {**RUN.stamp(), **about, "key": uuid4().hex, "created": now(), **made_with}
    )


def write_spec(run: RunFolder, spec: dict[str, Any]) -> None:
    """Write the resolved spec, which can be run again as it is."""
    text = dump(spec).encode()
    if run.folder.find("spec.yaml") != text:
        run.folder.write("spec.yaml", text)


def write_result(run: RunFolder, result: Result) -> dict[str, str]:
    """Write a result's table, figures and pages to the run's folder, and below the former how they were made.
    Returns their addresses by name."""
    from preimage.figures.footer import with_footer  # imports torch and matplotlib

    how = run.made_by
    files = {name: with_footer(png, how) if how else png for name, png in result.figures.items()}
    if result.table:
        table = f"{result.table.rstrip()}\n\nMade by: {how}\n" if how else result.table
        files = {"table.md": table.encode()} | files
    files |= result.pages
    for name, data in files.items():
        run.figures.write(name, data)
    return {name.removesuffix(".png"): (run.figures / name).uri for name in files}


def _write(report: Report, run: RunFolder, outcome: Outcome) -> None:
    """Write a run's page. If that fails, warn: the run is finished without it."""
    try:
        report(run, outcome)
    except PreimageError as error:
        again = command("preimage", "report", run.name, results=run.folder.parent.parent.uri)
        log.warning("the run is finished, but its report was not written: %s. `%s` writes it.", error, again)


def tell(call: Callable[..., object], *arguments: Any) -> None:
    """Call the tracker. If it does not answer, warn and continue: the next run of the spec calls it again."""
    try:
        call(*arguments)
    except (TrackingError, StorageError) as error:
        log.warning(
            "%s The run is not affected. If this persists, run the same command again to record it.", error
        )


@contextmanager
def _recorded(mirror: Mirror) -> Iterator[None]:
    """Begin the tracker's run; if the work fails or is interrupted, end it with that status."""
    tell(mirror.begin)
    try:
        yield
    except BaseException as error:
        ended, why = how_it_ended(error)
        _end(mirror, "KILLED" if ended == "stopped" else "FAILED", why)
        raise


def _end(mirror: Mirror, status: Any, why: str) -> None:
    def send() -> None:
        mirror.follow()
        mirror.end(status, why)  # only then: what has ended is not looked at again

    tell(send)
