"""Write the page on a run beside what it left."""

from collections.abc import Sequence
from pathlib import Path

from preimage.errors import StorageError
from preimage.reports.gather import page_of
from preimage.reports.render import render
from preimage.runs.run_folder import REPORT, RunFolder
from preimage.storage.folder import Folder
from preimage.storage.removal import require_kept

Commands = Sequence[tuple[str, str]]
"""What to try next: (command, what it does)."""


def write_report(run: RunFolder, commands: Commands = (), out: str | Path | None = None) -> str:
    """Write a run's page, whole or not at all: to report.html in its folder, or to another file. Returns its
    address.

    Raises PreimageError if the run cannot be read, is being removed, or the file cannot be written.
    """
    if out is None:
        require_kept(run.folder, run.name)
        folder, name = run.folder, REPORT
    else:
        place = Folder.at(out)
        folder, name = place.parent, place.name
        if folder.exists(name) and not name.endswith((".html", ".htm")):
            raise StorageError(
                f"{place.uri} is there already, and is no page: give a file that ends in .html"
            )
    folder.write(name, report_html(run, commands).encode(errors="replace"))
    return (folder / name).uri


def report_html(run: RunFolder, commands: Commands = ()) -> str:
    """A run's page. Raises PreimageError if the run cannot be read."""
    return render(page_of(run, commands))
