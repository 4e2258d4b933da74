"""The verbs `store show` and `store verify`."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from preimage.cli.options import RootOption, root_folder
from preimage.cli.screen import line, table

if TYPE_CHECKING:
    from preimage.latents.store import Store
    from preimage.storage.folder import Folder

app = typer.Typer(no_args_is_help=True, help="Inspect and verify latent stores.")
StoreArgument = Annotated[
    str, typer.Argument(help="A latent store's folder, or the name or MLflow run id of its run.")
]


@app.command()
def show(
    store: StoreArgument,
    worst: Annotated[
        int | None, typer.Option(min=1, help="Name so many images with the highest losses instead.")
    ] = None,
    best: Annotated[
        int | None, typer.Option(min=1, help="Name so many images with the lowest losses instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    results: RootOption = None,
) -> None:
    """Show what a store holds: which generator's codes, how many, how good.

    Example: preimage store show invert-ef6c123107 --worst 20
    """
    from preimage.latents.store import Store

    if worst and best:
        raise typer.BadParameter("give either --worst or --best")
    opened = Store.open(_folder(store, results))
    if worst or best:
        _show_images(opened, worst, best, as_json)
    else:
        _show_facts(opened, as_json)


@app.command()
def verify(store: StoreArgument, results: RootOption = None) -> None:
    """Check that a store is whole: every digest, every image once, every number finite.

    Images that diverged have no loss: they are counted, and the average is
    over the others. If anything is wrong, all problems are listed and the
    exit code is 2.
    """
    from preimage.latents.verify import verify as check

    report = check(_folder(store, results))
    rank = f", local rank {report.local_rank.found.rank}" if report.local_rank else ""
    Console().print(
        f"whole: {report.count:,} images once each, {report.parts} parts, {report.bytes / 2**20:.1f} MiB, "
        f"d = {report.latent_dim}{rank}, error per pixel {report.loss_mean:.4g} "
        f"(median {report.loss_median:.4g}), "
        f"{report.converged:.0%} converged, {report.diverged:,} diverged",
        highlight=False,
    )


def _show_facts(store: "Store", as_json: bool) -> None:
    from preimage.latents.verify import describe
    from preimage.tracking.mirror import flatten

    facts = describe(store)
    if as_json:
        print(json.dumps(facts))
        return
    rows = (
        (name, f"{value:.6g}" if isinstance(value, float) else str(value))
        for name, value in flatten(facts).items()
    )
    table(Console(), rows, ("fact", "value"))


def _show_images(store: "Store", worst: int | None, best: int | None, as_json: bool) -> None:
    from preimage.jobs.named_images import named_images
    from preimage.latents import extremes

    codes = extremes.worst(store, worst) if worst else extremes.best(store, best or 1)
    rows, remark = named_images(codes, store.about.dataset)
    if remark:
        line(Console(stderr=True), remark)
    if as_json:
        print(json.dumps(rows))
        return
    shown = []
    for row in rows:
        loss = "diverged" if row["loss"] is None else f"{row['loss']:.6g}"
        label = row["label"] if row["class"] is None else row["class"]
        named = (str("-" if each is None else each) for each in (label, row["name"]))
        shown.append((str(row["image_id"]), loss, *named))
    table(Console(), shown, ("image_id", "loss", "class", "name"))


def _folder(name: str, results: str | None) -> "Folder":
    from preimage.errors import StoreError
    from preimage.pipelines.inputs import find_run
    from preimage.storage.folder import Folder

    root = root_folder(results)
    run = find_run(name, root / "runs")
    folder = run.product("store") if run else Folder.at(name)
    if not folder.exists():
        raise StoreError(
            f"{name!r} is neither a run with codes under {root.uri} (others: --results, or PREIMAGE_RESULTS) "
            "nor a latent store's folder"
        )
    return folder
