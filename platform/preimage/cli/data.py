"""The verbs `data list` and `data prepare`."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from preimage.cli.options import RootOption

if TYPE_CHECKING:
    from preimage.data.config import DataConfig
    from preimage.data.dataset import Dataset

app = typer.Typer(no_args_is_help=True, help="List image sources, and prepare datasets from them.")


@app.command(name="list")
def list_sources() -> None:
    """List the image sources and where each is ready on this machine."""
    from preimage.data.sources import SOURCES, found

    table = Table("source", "images", "ready", box=None, pad_edge=False)
    for name, text in SOURCES.items():
        table.add_row(name, text, found(name) or "-")
    Console().print(table)


@app.command()
def prepare(
    source: Annotated[str, typer.Argument(help="A source that `preimage data list` shows.")],
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="Settings of the dataset, such as data.size=32.", metavar="[data.KEY=VALUE]..."),
    ] = None,
    results: RootOption = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that decode images; large sources are decoded on Ray.")
    ] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Decode and resize a source's images once, for every job with the same `data`.

    Shows what the images are, by split and class, and what was not read. If
    the files were only touched, moved or copied since, nothing is decoded
    again.

    Example: preimage data prepare folder data.path=photos.zip data.size=64
    """
    from preimage import api
    from preimage.data.catalog import Catalog
    from preimage.data.prepare import needs_ray
    from preimage.data.prepare import prepare as make
    from preimage.pipelines.progress import showing
    from preimage.storage.address import results_root
    from preimage.storage.folder import Folder

    changes = changes or []
    root = results_root(api.named_in(api.with_results(changes, results)))
    config = _config(source, [change for change in changes if not change.startswith("results=")])
    catalog = Catalog(Folder.at(root) / "datasets")
    if needs_ray(config, catalog.datasets, catalog.open):
        from preimage.cluster.connect import connect  # imported only if it is needed

        connect()
    with showing(Console(stderr=as_json)) as show:
        dataset = make(
            config,
            catalog.datasets,
            workers=workers,
            on_progress=show.task("preparing images"),
            open_source=catalog.open,
        )
    _show(dataset, as_json)


def _show(dataset: "Dataset", as_json: bool) -> None:
    """Print what was prepared, and what was not read."""
    from preimage.data import inventory
    from preimage.data.image_shape import shape_text

    contents, classes = dataset.contents, dataset.classes
    if as_json:
        skipped = {"skipped": dataset.skipped, "folder": dataset.folder.uri}
        print(json.dumps(inventory.plain(contents, classes, dataset.count) | skipped))
        return
    skipped = f", {len(dataset.skipped):,} unreadable skipped" if dataset.skipped else ""
    lines = [
        ("images", f"{dataset.count:,} of {shape_text(dataset.shape)}{skipped}"),
        *inventory.facts(contents, classes, dataset.count),
        ("folder", dataset.folder.uri),
    ]
    for label, fact in lines:
        Console().print(f"{label:<8} {escape(fact)}", highlight=False, soft_wrap=True)


def _config(source: str, changes: list[str]) -> "DataConfig":
    from preimage.data.config import DataConfig
    from preimage.errors import SpecError
    from preimage.specs.overrides import changed
    from preimage.specs.validation import check

    dotted = [change if change.startswith("data.") else f"data.{change}" for change in changes]
    settings = changed({"data": {"source": source}}, dotted)[0]["data"]
    config, mistakes = check(DataConfig, settings)
    if not isinstance(config, DataConfig):
        raise SpecError(
            "\n".join(f"data.{'.'.join(map(str, place))}: {problem}" for place, problem in mistakes)
        )
    return config
