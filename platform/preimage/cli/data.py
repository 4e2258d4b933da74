"""The verbs `data list` and `data prepare`."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from preimage.cli import complete
from preimage.cli.options import RootOption
from preimage.cli.screen import commands, line, table

if TYPE_CHECKING:
    from preimage.data.config import DataConfig, SourceKind
    from preimage.data.dataset import Dataset

app = typer.Typer(no_args_is_help=True, help="List image sources, and prepare datasets from them.")


@app.command(name="list")
def list_sources() -> None:
    """List the image sources and where each is ready on this machine."""
    from preimage.data.config import SOURCES
    from preimage.data.sources.open import found

    kinds, broken = SOURCES.working()
    rows = [(name, found(name) or "-", _described(name, kind)) for name, kind in kinds.items()]
    rows += [(name, "broken", str(error)) for name, error in broken.items()]
    table(Console(), rows, ("source", "ready", "images"), prose=True)


@app.command()
def prepare(
    source: Annotated[
        str, typer.Argument(help="A source that `preimage data list` shows.", autocompletion=complete.sources)
    ],
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Settings of the dataset, such as data.size=32.",
            metavar="[data.KEY=VALUE]...",
            autocompletion=complete.image_settings,
        ),
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

    Keys: path, split, class_level, image_column, label_column, category,
    options; size, channels, crop, resample, white; max_images, on_error.
    The schema that `preimage schema` prints describes each.

    Example: preimage data prepare folder data.path=photos.zip data.size=64
    """
    from preimage.data.sources.open import open_source
    from preimage.specs.override_text import parse_override
    from preimage.storage.address import named_root, results_root

    overrides = [parse_override(change) for change in changes or []]
    root = results_root(named_root(results, dict(overrides).get("results")))
    config = _config(source, [each for each in overrides if each[0] != "results"])
    opened = open_source(config)  # says what is wrong before torch is imported, which takes seconds

    from preimage.data.preparing.prepare import needs_ray
    from preimage.data.preparing.prepare import prepare as make
    from preimage.pipelines.progress import showing
    from preimage.storage.folder import Folder

    datasets = Folder.at(root) / "datasets"
    room = nullcontext()
    if needs_ray(config, datasets, lambda _: opened):
        from preimage.cluster.connect import connect  # imported only if it is needed
        from preimage.cluster.room import hold_room
        from preimage.config import Resources

        connect()
        decoders = Resources(workers=workers, gpu=False)
        room = hold_room([decoders], 1, f"the preparation of {source}")
    with room, showing(Console(stderr=as_json)) as show:
        dataset = make(
            config,
            datasets,
            workers=workers,
            progress=show.task,
            open_source=lambda _: opened,
        )
    _show(dataset, as_json)
    if not as_json:
        from preimage.pipelines.next_steps import of_images

        commands(Console(), of_images(config, results))


def _described(name: str, kind: "SourceKind") -> str:
    from preimage.data.config import SOURCES

    plugin = SOURCES.plugin(name)
    return f"{kind.about}; comes with {plugin}" if plugin else kind.about


def _show(dataset: "Dataset", as_json: bool) -> None:
    """Print what was prepared, and what was not read."""
    from preimage.cli.plain_json import print_json
    from preimage.data import inventory
    from preimage.data.image_shape import shape_text

    contents, classes = dataset.contents, dataset.classes
    if as_json:
        skipped = {"skipped": dataset.skipped, "folder": dataset.folder.uri}
        print_json(inventory.plain(contents, classes, dataset.count) | skipped)
        return
    skipped = f", {len(dataset.skipped):,} unreadable skipped" if dataset.skipped else ""
    lines = [
        ("images", f"{dataset.count:,} of {shape_text(dataset.shape)}{skipped}"),
        *inventory.facts(contents, classes, dataset.count),
        ("folder", dataset.folder.uri),
    ]
    for label, fact in lines:
        line(Console(), f"{label:<8} {fact}")


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
            "\n".join(f"{'.'.join(['data', *map(str, place)])}: {problem}" for place, problem in mistakes)
        )
    return config
