"""The verbs `study show` and `study pick`."""

import logging
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from preimage.cli import complete
from preimage.cli.markdown import show_markdown
from preimage.cli.options import RootOption, root_folder
from preimage.cli.plain_json import print_json
from preimage.cli.screen import line
from preimage.cli.screen import table as columns

app = typer.Typer(no_args_is_help=True, help="Show studies, and record your visual choice of trials.")
StudyArgument = Annotated[
    str,
    typer.Argument(
        help="A study, by its name (study-...), folder or MLflow run id.",
        metavar="STUDY",
        autocompletion=complete.studies,
    ),
]


class Which(StrEnum):
    """What a trial is picked as."""

    BEST = "best"
    WORST = "worst"


@app.command()
def show(
    study: StudyArgument,
    results: RootOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Rank a study's trials, also while it runs, and show how its metrics agree."""
    from preimage.tuning.annotate import find_study
    from preimage.tuning.annotations import read_picks
    from preimage.tuning.plain_ranking import plain_study
    from preimage.tuning.ranking import correlations, rank
    from preimage.tuning.table import table

    console, found = Console(), find_study(study, root_folder(results))
    spec, picks = found.spec, read_picks(found.run.folder)
    ranking = rank(found.records, spec.objectives, spec.correlate)
    if as_json:
        print_json(plain_study(found, ranking, picks))
        return
    text = table(ranking, list(spec.space), correlations(ranking), picks, show=spec.show)
    show_markdown(console, text)
    console.print()
    if left := found.spec.trials - len(found.records):
        console.print(f"{left} of {found.spec.trials} trials have not ended yet", highlight=False)
    pictures = [name for name in found.run.figures.names() if name.endswith(".png")]
    columns(console, [(name.removesuffix(".png"), str(found.run.figures / name)) for name in pictures])


@app.command()
def pick(
    study: StudyArgument,
    trial: Annotated[int, typer.Argument(help="The trial's number, as in the table and the gallery.")],
    name: Annotated[Which, typer.Argument(help="How its samples look to you.")],
    note: Annotated[str | None, typer.Option(help="Why you chose it.")] = None,
    results: RootOption = None,
) -> None:
    """Record your visual choice of a study's best or worst trial, beside the ranking.

    The table, the figures and the report are updated with it, also in MLflow. A new choice
    replaces the earlier one.

    Example: preimage study pick STUDY 7 best --note "sharp, all ten digits"
    """
    from preimage.errors import TrackingError
    from preimage.library.report import report
    from preimage.runs.run_folder import REPORT
    from preimage.tuning import annotate

    console, found = Console(), annotate.find_study(study, root_folder(results))
    result = annotate.pick(found, name.value, trial, note)
    if found.run.folder.exists(REPORT):
        report(found.run)
    try:
        annotate.tell(found, result)
    except TrackingError as error:
        logging.getLogger(__name__).warning(
            "%s Your choice is saved; run the same command again to record it there too.", error
        )
    console.print(f"trial {trial} is recorded as your {name.value} of {found.run.name}", highlight=False)
    for each in ("table.md", "best-worst.png"):
        if each == "table.md" or each in result.figures:
            line(console, f"{each:<16} {found.run.figures / each}")
