"""Options that several verbs share."""

from typing import Annotated

import typer

RootOption = Annotated[
    str | None,
    typer.Option(
        "--results",
        help="Folder or URI of the results. Default: PREIMAGE_RESULTS, or results/.",
        metavar="FOLDER",
    ),
]
