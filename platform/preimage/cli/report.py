"""Print plans and outcomes on a terminal."""

from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from preimage.pipelines.description import Section, Summary
from preimage.pipelines.planned import Planned
from preimage.storage.plain_yaml import dump


def show_plan(console: Console, planned: Planned, spec: bool = True) -> None:
    """Print the resolved spec if asked for, then what each part would do, with which inputs, at what cost."""
    if spec:
        text = dump(planned.resolved)
        console.print(escape(text), highlight=False)
    described = planned.describe()
    for section in described.sections:
        _show_section(console, section)
    console.print(f"\nruns are recorded in: {described.recorded}", highlight=False)


def plain_plan(planned: Planned) -> dict[str, Any]:
    """A plan as JSON: its resolved spec, and what each part would do, with which images, at what cost."""
    described = planned.describe()
    steps = [
        {"name": each.title, "job": each.kind, "state": each.state, "images": each.images,
         "facts": [list(fact) for fact in each.facts]}
        for each in described.sections
    ]  # fmt: skip
    return {"spec": planned.resolved, "steps": steps, "recorded": described.recorded}


def show_outcome(console: Console, summary: Summary) -> None:
    """Print the metrics, the tables, the pictures, and what to try next."""
    console.print()
    if summary.metrics:
        table = Table("step", "metric", "value", box=None, pad_edge=False)
        for row in summary.metrics:
            table.add_row(*row)
        console.print(table)
        console.print()
    for written in summary.tables:
        console.print(Markdown(written))
        console.print()
    width = max((len(label) for label, _ in summary.files), default=0) + 1
    for label, path in summary.files:
        console.print(f"{label:<{width}} {path}", highlight=False, soft_wrap=True)
    console.print("\n[bold]next[/bold]")
    for command, what in summary.commands:
        console.print(f"  [cyan]{escape(command)}[/cyan]  {what}", highlight=False, soft_wrap=True)


def _show_section(console: Console, section: Section) -> None:
    head = f"[bold]{section.title}[/bold] ({section.kind}): {section.state}"
    console.print(head, highlight=False, soft_wrap=True)
    for label, fact in section.facts:
        console.print(f"  {label:<8} {escape(fact)}", highlight=False, soft_wrap=True)
