"""store show and store verify."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from preimage.storage.folder import Folder

app = typer.Typer(no_args_is_help=True, help="Look into latent stores.")
StoreArgument = Annotated[
    str, typer.Argument(help="A latent store's folder, or the name of the run that made it.")
]


@app.command()
def show(store: StoreArgument) -> None:
    """Say what a store holds: whose codes, how many, how good."""
    from preimage.latents.store import Store
    from preimage.latents.verify import describe
    from preimage.tracking.mirror import flatten

    table = Table("fact", "value", box=None, pad_edge=False)
    for name, value in flatten(describe(Store.open(_folder(store)))).items():
        table.add_row(name, f"{value:.6g}" if isinstance(value, float) else str(value))
    Console().print(table)


@app.command()
def verify(store: StoreArgument) -> None:
    """Prove that a store is whole: every file's digest, every image once, every number finite.

    Images that diverged have no loss; it says how many there are, and averages the others.
    Exit code 2, and the list of all that is wrong, where it is not.
    """
    from preimage.latents.verify import verify as check

    report = check(_folder(store))
    Console().print(
        f"whole: {report.count:,} images once each, {report.parts} parts, {report.bytes / 2**20:.1f} MiB, "
        f"d = {report.latent_dim}, error per pixel {report.loss_mean:.4g} (median {report.loss_median:.4g}), "
        f"{report.converged:.0%} converged, {report.diverged:,} diverged",
        highlight=False,
    )


def _folder(name: str) -> "Folder":
    from preimage.pipelines.inputs import find_run
    from preimage.storage.folder import Folder

    run = find_run(name, Folder.at("results") / "runs")
    return run.product("store") if run else Folder.at(name)
