"""The verbs `data list` and `data prepare`."""

from typing import TYPE_CHECKING, Annotated, Any

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
    from preimage.data.sources import locate
    from preimage.specs.override_text import parse_override
    from preimage.storage.address import named_root, results_root

    overrides = [parse_override(change) for change in changes or []]
    root = results_root(named_root(results, dict(overrides).get("results")))
    config = _config(source, [each for each in overrides if each[0] != "results"])
    if config.path:
        locate(config)  # a wrong path is said before torch, which takes seconds, is imported

    from preimage.data.image_shape import shape_text
    from preimage.data.prepare import prepare as make
    from preimage.pipelines.progress import showing
    from preimage.storage.folder import Folder

    console = Console()
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


def _config(source: str, overrides: list[tuple[str, str]]) -> "DataConfig":
    from preimage.data.config import DataConfig
    from preimage.errors import SpecError
    from preimage.specs.override_text import put, type_in, value_of
    from preimage.specs.validation import check

    settings: dict[str, Any] = {"source": source}
    for key, text in overrides:
        name = key.removeprefix("data.")
        path = tuple(name.split("."))
        settings = put(settings, path, value_of(type_in(DataConfig, path), f"data.{name}", text))
    config, mistakes = check(DataConfig, settings)
    if not isinstance(config, DataConfig):
        raise SpecError(
            "\n".join(f"data.{'.'.join(map(str, place))}: {problem}" for place, problem in mistakes)
        )
    return config
