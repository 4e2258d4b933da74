"""Print plans and outcomes on a terminal."""

from typing import Any

from rich.console import Console

from preimage.cli.markdown import show_markdown
from preimage.cli.screen import commands, facts, line, table
from preimage.pipelines.description import Section, Summary
from preimage.pipelines.planned import Planned
from preimage.storage.plain_yaml import dump


def show_plan(
    console: Console,
    planned: Planned,
    spec: bool = True,
    recorded: str = "",
    here: bool = True,
    measure: bool = False,
) -> None:
    """Print the resolved spec if asked for, then what each part would do, with which inputs, at what cost.

    recorded: where its runs are recorded, if not where this process would. here, measure: as in `describe`.
    """
    if spec:
        text = dump(planned.resolved)
        line(console, text)
    described = planned.describe(here=here, measure=measure)
    for section in described.sections:
        _show_section(console, section)
    if len(described.sections) > 1 and not planned.is_done:
        line(console, f"\ntime in all: {described.time.text}")
    line(console, f"\nruns are recorded in: {recorded or described.recorded}")


def plain_plan(planned: Planned, measure: bool = False) -> dict[str, Any]:
    """A plan as JSON: its resolved spec, and what each part would do, with which images, at what cost."""
    described = planned.describe(measure=measure)
    steps = [
        {"name": each.title, "job": each.kind, "state": each.state, "images": each.images,
         "facts": [list(fact) for fact in each.facts], "seconds": each.seconds, "basis": each.basis}
        for each in described.sections
    ]  # fmt: skip
    time = {"seconds": described.time.seconds, "basis": described.time.basis}
    return {"spec": planned.resolved, "steps": steps, **time, "recorded": described.recorded}


def show_outcome(console: Console, summary: Summary) -> None:
    """Print the metrics, the tables, the pictures, and what to try next."""
    console.print()
    if summary.metrics:
        table(console, summary.metrics, ("step", "metric", "value"))
        console.print()
    for written in summary.tables:
        show_markdown(console, written)
        console.print()
    table(console, summary.files)
    commands(console, summary.commands)


def _show_section(console: Console, section: Section) -> None:
    line(console, (section.title, "bold"), f" ({section.kind}): {section.state}")
    facts(console, section.facts, indent=2)
