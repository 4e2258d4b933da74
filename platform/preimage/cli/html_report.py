"""The verb `report`."""

from typing import Annotated

import typer
from rich.console import Console

from preimage.cli import complete
from preimage.cli.options import RootOption
from preimage.cli.screen import line


def report(
    run: Annotated[
        str,
        typer.Argument(
            help="A run of any kind, by its name, folder or MLflow run id.",
            metavar="RUN",
            autocompletion=complete.runs,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="Write it here instead of beside the results.", metavar="FILE"),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Also open it in the browser.")] = False,
    results: RootOption = None,
) -> None:
    """Write a page on a run: what was run, what came out, pictures, curves, and how it was made.

    One HTML file that needs nothing else, to read, print or send. `preimage run`
    writes it at its end; this writes it again, or of a run that failed or still
    runs.

    Example: preimage report pipeline-3f2a9c01bd --open
    """
    from preimage.library.report import report as write

    address = write(run, out, results=results)
    line(Console(), address)
    if show:
        _open(address)


def _open(address: str) -> None:
    """Open a page in the browser. Raises PreimageError where there is none, or the page is elsewhere."""
    import webbrowser

    from preimage.errors import PreimageError
    from preimage.storage.folder import Folder

    place = Folder.at(address)
    if not place.is_local:
        raise PreimageError(f"{address} is not on this machine: add --out FILE to open it")
    if not webbrowser.open(place.local.absolute().as_uri()):
        raise PreimageError(f"no browser was found here; the report is {address}")
