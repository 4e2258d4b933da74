"""data list and data prepare."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from preimage.data.config import DataConfig

app = typer.Typer(no_args_is_help=True, help="List image sources and prepare them.")


@app.command(name="list")
def list_sources() -> None:
    """The image sources, and which are ready on this machine."""
    from preimage.data.sources import SOURCES, found

    table = Table("source", "images", "ready", box=None, pad_edge=False)
    for name, text in SOURCES.items():
        table.add_row(name, text, found(name) or "-")
    Console().print(table)


@app.command()
def prepare(
    source: Annotated[str, typer.Argument(help="A source from `preimage data list`.")],
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Settings, such as data.size=32 data.path=images.zip.", metavar="[data.KEY=VALUE]..."
        ),
    ] = None,
    results: Annotated[str, typer.Option(help="The results' folder or URI.")] = "results",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that decode, on Ray where there are many images.")
    ] = 2,
) -> None:
    """Decode and resize a source's images once, into shards that every job with the same `data` takes."""
    from preimage.cluster.connect import connect
    from preimage.data.prepare import prepare as make
    from preimage.pipelines.progress import showing
    from preimage.storage.folder import Folder

    config = _config(source, changes or [])
    console = Console()
    connect()
    with showing(console) as show:
        dataset = make(
            config, Folder.at(results) / "datasets", workers=workers, progress=show.task("preparing images")
        )
    skipped = f", {len(dataset.skipped):,} unreadable left out" if dataset.skipped else ""
    console.print(
        f"{dataset.count:,} images of {dataset.channels} x {dataset.size} x {dataset.size}, "
        f"{len(dataset.classes)} classes{skipped}: {dataset.folder.uri}",
        highlight=False,
        soft_wrap=True,
    )


def _config(source: str, changes: list[str]) -> "DataConfig":
    from preimage.data.config import DataConfig
    from preimage.errors import SpecError
    from preimage.specs.overrides import parse_override
    from preimage.specs.validation import check

    settings = {key.removeprefix("data."): value for key, value in map(parse_override, changes)}
    config, mistakes = check(DataConfig, {"source": source} | settings)
    if not isinstance(config, DataConfig):
        raise SpecError(
            "\n".join(f"data.{'.'.join(map(str, place))}: {problem}" for place, problem in mistakes)
        )
    return config
