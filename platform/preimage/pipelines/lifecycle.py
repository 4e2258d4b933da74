"""The life of a run, whether a step, a pipeline or a study makes it: locked, registered, recorded,
finished."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import yaml

from preimage.errors import StoppedEarly, StorageError, TrackingError
from preimage.jobs.base import Result
from preimage.pipelines.provenance import git_commit, submitted_as, versions
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.host_info import now
from preimage.storage.locks import locked
from preimage.tracking.mirror import Mirror

log = logging.getLogger(__name__)


def live(
    mirror: Mirror,
    finished: Callable[[], Outcome | None],
    register: Callable[[], None],
    make: Callable[[], Outcome],
) -> Outcome:
    """The outcome that a run has, or else the one that it gets now; one process at a time makes it.

    finished: the run's outcome where nothing is left to do. register: say in the run's folder what it is.
    make: do what is missing. Raises what it raises; what was made until then stays.
    """
    outcome = finished()
    if not outcome:
        with locked(mirror.run.folder):
            outcome = finished()  # another process may have made it
            if not outcome:
                register()
                with _recorded(mirror):
                    outcome = make()
                    mirror.run.finish(outcome)
    tell(mirror.finish)
    return outcome


def register(run: RunFolder, about: dict[str, Any], spec: dict[str, Any]) -> None:
    """Say in a new run's folder what it is; its key tells it from every other run wherever it is recorded."""
    if run.folder.exists("run.json"):
        return
    write_spec(run, spec)
    made_with = {"git_commit": git_commit(), "versions": versions(), **submitted_as()}
    run.folder.write_json("run.json", {**about, "key": uuid4().hex, "created": now(), **made_with})


def write_spec(run: RunFolder, spec: dict[str, Any]) -> None:
    """Keep the resolved spec, to be run again as it is."""
    text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True).encode()
    if not run.folder.exists("spec.yaml") or run.folder.read("spec.yaml") != text:
        run.folder.write("spec.yaml", text)


def write_result(run: RunFolder, result: Result) -> dict[str, str]:
    """Write a result's table and figures into the run's folder; their addresses, by name."""
    files = dict(result.figures)
    if result.table:
        files = {"table.md": result.table.encode()} | files
    for name, data in files.items():
        run.figures.write(name, data)
    return {name.removesuffix(".png"): f"{run.figures.uri}/{name}" for name in files}


def tell(call: Callable[..., object], *arguments: Any) -> None:
    """Tell the tracker; if it does not answer, say so and go on: the next run of the spec tells it again."""
    try:
        call(*arguments)
    except (TrackingError, StorageError) as error:
        log.warning(
            "%s The run is not harmed; if this stays, run the same command again to record it.", error
        )


@contextmanager
def _recorded(mirror: Mirror) -> Iterator[None]:
    """The tracker's run, begun, and ended in the way its work ended, where that is not well."""
    tell(mirror.begin)
    try:
        yield
    except (KeyboardInterrupt, StoppedEarly):
        _end(mirror, "KILLED")
        raise
    except BaseException:
        _end(mirror, "FAILED")
        raise


def _end(mirror: Mirror, status: Any) -> None:
    tell(mirror.follow)
    tell(mirror.end, status)
