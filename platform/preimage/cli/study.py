"""study show and study pick."""

import logging
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

app = typer.Typer(no_args_is_help=True, help="Look into studies, and say which trials look best and worst.")
StudyArgument = Annotated[
    str, typer.Argument(help="A study: its name (study-...), its folder or its MLflow run id.")
]


class Which(StrEnum):
    """What a trial is picked as."""

    BEST = "best"
    WORST = "worst"


@app.command()
def show(study: StudyArgument) -> None:
    """Show a study's trials in order, as far as they are over, and how its objectives agree."""
    from preimage.tuning.annotate import find_study
    from preimage.tuning.annotations import read_picks
    from preimage.tuning.ranking import correlations, rank
    from preimage.tuning.table import table

    console, found = Console(), find_study(study)
    ranking = rank(found.records, found.spec.objectives)
    picks = read_picks(found.run.folder)
    console.print(Markdown(table(ranking, list(found.spec.space), correlations(ranking), picks)))
    console.print()
    if left := found.spec.trials - len(found.records):
        console.print(f"{left} of {found.spec.trials} trials are not over yet", highlight=False)
    pictures = [name for name in found.run.figures.names() if name.endswith(".png")]
    for name in pictures:
        label = name.removesuffix(".png")
        console.print(f"{label:<16} {found.run.figures.uri}/{name}", highlight=False, soft_wrap=True)


@app.command()
def pick(
    study: StudyArgument,
    trial: Annotated[int, typer.Argument(help="The trial's number, as the table and the gallery have it.")],
    name: Annotated[Which, typer.Argument(help="What its samples look like, beside the others'.")],
    note: Annotated[str | None, typer.Option(help="Why, in your words.")] = None,
) -> None:
    """Record that you find a trial's samples the best or the worst; it stands beside the ranking.

    The table and the pictures are made anew with it, also in MLflow. Picking again replaces a pick.
    """
    from preimage.errors import TrackingError
    from preimage.tuning import annotate

    console, found = Console(), annotate.find_study(study)
    result = annotate.pick(found, name.value, trial, note)
    try:
        annotate.tell(found, result)
    except TrackingError as error:
        logging.getLogger(__name__).warning(
            "%s The pick is kept; give the same command again to record it there too.", error
        )
    console.print(f"trial {trial} is picked as the {name.value} of {found.run.name}", highlight=False)
    for each in ("table.md", "best-worst.png"):
        if each == "table.md" or each in result.figures:
            console.print(f"{each:<16} {found.run.figures.uri}/{each}", highlight=False, soft_wrap=True)
