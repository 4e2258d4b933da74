"""Options that several verbs share."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from preimage.storage.folder import Folder

RootOption = Annotated[
    str | None,
    typer.Option(
        "--results",
        help="Folder of the results, or an address such as s3://bucket/folder. Default: PREIMAGE_RESULTS, "
        "or results/.",
        metavar="FOLDER",
    ),
]


def root_folder(results: str | None) -> "Folder":
    """The folder of all results, for a verb without a spec. Raises StorageError."""
    from preimage.storage.address import results_root
    from preimage.storage.folder import Folder

    return Folder.at(results_root(results))
