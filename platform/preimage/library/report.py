"""The page on an earlier run, from Python."""

from collections.abc import Sequence
from pathlib import Path

from preimage import api
from preimage.errors import PreimageError, SpecError
from preimage.pipelines.inputs import find_run, hint
from preimage.reports.write import write_report
from preimage.runs.run_folder import RunFolder
from preimage.storage.address import results_root
from preimage.storage.folder import Folder


def report(run: str | Path | RunFolder, out: str | Path | None = None, *, results: str | None = None) -> str:
    """Write a page on a run in any state: one HTML file that needs nothing else (`preimage report`).

    run: its name under the results, its folder, or its MLflow run id. out: a file; default: report.html in
    the run's folder. results: the root of all results; default: PREIMAGE_RESULTS, or results/. Returns the
    file's address. Raises SpecError without such a run, PreimageError if it cannot be read or written.
    """
    found = run if isinstance(run, RunFolder) else _known(str(run), Folder.at(results_root(results)))
    return write_report(found, _commands(found), out)


def _known(name: str, root: Folder) -> RunFolder:
    if found := find_run(name, root / "runs"):
        return found
    raise SpecError(f"no run {name!r} under {root.uri}; {hint(name, root / 'runs')}")


def _commands(run: RunFolder) -> Sequence[tuple[str, str]]:
    """What to try next, of a finished run whose spec can still be planned."""
    if not (outcome := run.outcome()):
        return ()
    try:
        planned = api.plan(run.folder.uri, results=run.folder.parent.parent.uri)
        return planned.summarize(outcome).commands
    except PreimageError:  # what it took is gone, or of another version: the page says so of each input
        return ()
