"""The verbs `store show`, `verify`, `import` and `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from preimage.cli import complete
from preimage.cli.options import RootOption, root_folder
from preimage.cli.plain_json import print_json
from preimage.cli.screen import commands, line, table

if TYPE_CHECKING:
    from preimage.importing.tables.import_codes import ImportedCodes
    from preimage.latents.store import Store
    from preimage.storage.folder import Folder

app = typer.Typer(no_args_is_help=True, help="Inspect, verify, import and export latent stores.")
StoreArgument = Annotated[
    str,
    typer.Argument(
        help="A latent store's folder, or the name or MLflow run id of its run.",
        metavar="STORE",
        autocompletion=complete.stores,
    ),
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
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
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
    found = ""
    if search := report.search:
        found = (
            f", error per pixel {search.loss_mean:.4g} (median {search.loss_median:.4g}), "
            f"{search.converged:.0%} converged, {search.diverged:,} diverged"
        )
    Console().print(
        f"whole: {report.count:,} images once each, {report.parts} parts, {report.bytes / 2**20:.1f} MiB, "
        f"d = {report.latent_dim}{rank}{found}",
        highlight=False,
    )


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="A Parquet, .npy or .safetensors file of vectors.", metavar="FILE")
    ],
    column: Annotated[
        str | None,
        typer.Option(help="The column or tensor that holds the vectors. Default: the only one that does."),
    ] = None,
    image_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            help="The column of image_ids; or, with --images, which needs it, of the images' names. Default: "
            "row numbers.",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="The column of class labels: numbers or texts. Default: those of --images, if given."
        ),
    ] = None,
    generator: Annotated[
        str | None, typer.Option(help="The generator whose codes they are: a run's name or a folder.")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(help="The images that they stand for: a run's name or a prepared dataset's folder."),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(help="Without a generator: normal, N(0, I), or uniform, on [-1, 1]^d; else unknown."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(help="The folder to write. Default: stores/NAME under the results.", metavar="FOLDER"),
    ] = None,
    results: RootOption = None,
) -> None:
    """Make a latent store of vectors from elsewhere.

    Such as an autoencoder's latents or embeddings. Jobs that need codes alone
    take it: pag, fit-prior, compare-priors, train-prior, analyze-codes.

    Example: preimage store import codes.parquet --column z --id image_id --label y
    """
    from preimage.library.stores import import_store
    from preimage.pipelines.progress import showing

    console = Console()
    with showing(console) as show:
        imported = import_store(
            file,
            column=column,
            id=image_id,
            label=label,
            generator=generator,
            images=images,
            prior=prior,
            output=output,
            results=results,
            progress=show.task,
        )
    _show_imported(console, imported, results)


@app.command()
def export(
    store: StoreArgument,
    with_images: Annotated[
        bool, typer.Option("--with-images", help="The images too, as PNG files in a column.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            help="A selection, a Parquet file with a column image_id, as `preimage browse` saves it: only "
            "these rows.",
            metavar="FILE",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            help="The file to write, .parquet, or .duckdb for a DuckDB database. Default: "
            "NAME.parquet in this folder.",
            metavar="FILE",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    results: RootOption = None,
) -> None:
    """Write a store as one Parquet file that other tools take as it is.

    Such as Embedding Atlas, FiftyOne, pandas, Polars and DuckDB.

    Example: preimage store export invert-ef6c123107 --with-images
    """
    from preimage.latents.store import Store
    from preimage.library.export_store import export_store
    from preimage.pipelines.progress import showing

    opened, console = Store.open(_folder(store, results)), Console()
    name = Path(store).name if opened.folder.name == "store" else opened.folder.name
    with showing(console) as show:
        exported = export_store(
            opened,
            output or f"{name}.parquet",
            images=with_images,
            only=only,
            overwrite=force,
            progress=show.task,
        )
    for each in (
        f"rows     {exported.rows:,}, {exported.bytes / 2**20:.1f} MiB",
        f"columns  {', '.join(exported.columns)}",
        f"stored   in {exported.address}",
        *(f"note     {each}" for each in exported.notes),
    ):
        line(console, each)


def _show_imported(console: Console, imported: "ImportedCodes", results: str | None) -> None:
    from preimage.pipelines.next_steps import of_store

    store = imported.store
    about = store.about
    shape = f" of shape {about.latent_shape}" if about.latent_shape else ""
    prior = f", prior {about.prior}" if about.prior else ""
    images = f"among the {about.dataset.count:,} of {about.dataset.path}" if about.dataset else "not known"
    lines = [
        f"codes    {store.count:,} of {store.latent_dim} components{shape}{prior}",
        f"images   {images}",
        f"stored   in {store.folder.uri}",
        *(f"note     {each}" for each in imported.notes),
    ]
    for each in lines:
        line(console, each)
    commands(console, of_store(store, results))


def _show_facts(store: "Store", as_json: bool) -> None:
    from preimage.latents.verify import describe
    from preimage.runs.metrics import flatten

    facts = describe(store)
    if as_json:
        print_json({"store": store.folder.uri} | facts)
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
        print_json(rows)
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
    from preimage.pipelines.inputs import find_folder

    root = root_folder(results)
    folder = find_folder(name, "store", root / "runs")
    if not folder.exists():
        raise StoreError(
            f"{name!r} is neither a run with codes nor an imported store under {root.uri} (others: "
            "--results, or PREIMAGE_RESULTS) nor a latent store's folder"
        )
    return folder
