"""The verbs `data list` and `data prepare`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from preimage.cli.options import RootOption

if TYPE_CHECKING:
    from preimage.data.config import DataConfig

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
) -> None:
    """Decode and resize a source's images once, for every job with the same `data`.

    Example: preimage data prepare folder data.path=photos.zip data.size=64
    """
    from preimage import api
    from preimage.cluster.connect import connect
    from preimage.data.image_shape import shape_text
    from preimage.data.prepare import prepare as make
    from preimage.pipelines.progress import showing
    from preimage.storage.address import results_root
    from preimage.storage.folder import Folder

    changes = changes or []
    root = results_root(api.named_in(api.with_results(changes, results)))
    config = _config(source, [change for change in changes if not change.startswith("results=")])
    console = Console()
    connect()
    with showing(console) as show:
        dataset = make(
            config,
            Folder.at(root) / "datasets",
            workers=workers,
            on_progress=show.task("preparing images"),
        )
    skipped = f", {len(dataset.skipped):,} unreadable skipped" if dataset.skipped else ""
    console.print(
        f"{dataset.count:,} images of {shape_text(dataset.shape)}, "
        f"{len(dataset.classes)} classes{skipped}: {dataset.folder.uri}",
        highlight=False,
        soft_wrap=True,
    )


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
