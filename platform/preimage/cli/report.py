"""Plans and outcomes as tables."""

from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from preimage.pipelines.plan import Plan, PlannedStep, image_count
from preimage.recipes.jobs import JOBS
from preimage.runs import Outcome

STATES = {
    "finished": "skipped: finished already",
    "begun": "goes on where it stopped",
    "new": "runs",
}


def show_plan(console: Console, plan: Plan) -> None:
    """The resolved spec, then a row for each step."""
    text = yaml.safe_dump(plan.spec.resolved(), sort_keys=False, allow_unicode=True)
    console.print(escape(text), highlight=False)
    table = Table("step", "job", "what happens", "workers", "costs", "results in", box=None, pad_edge=False)
    for step in plan.steps:
        table.add_row(
            step.name, step.config.job, STATES[step.state], _workers(step), _costs(plan, step), _place(step)
        )
    console.print(table)
    console.print(f"\nresults under {plan.root.uri}; nothing was started", highlight=False, soft_wrap=True)


def show_outcome(console: Console, plan: Plan, outcome: Outcome) -> None:
    """The figures, the pictures, and what to try next."""
    table = Table("step", "figure", "value", box=None, pad_edge=False)
    for step in plan.steps:
        found = step.run.outcome()
        metrics = found.metrics if found else {}
        for name in JOBS[step.config.job].headline:
            if name in metrics:
                table.add_row(step.name, name.replace("_", " "), _number(metrics[name]))
    console.print()
    console.print(table)
    console.print()
    for label, path in _products(outcome):
        console.print(f"{label:<16} {path}", highlight=False, soft_wrap=True)
    console.print("\n[bold]next[/bold]")
    for command, what in _next(plan, outcome):
        console.print(f"  [cyan]{escape(command)}[/cyan]  {what}", highlight=False, soft_wrap=True)


def _workers(step: PlannedStep) -> str:
    resources = step.config.resources
    if resources.backend == "local":
        return "this process"
    gpu = {True: ", 1 GPU", False: "", "auto": ", a GPU if there is one"}[resources.gpu]
    return f"{resources.workers} x {resources.cpus} CPU{gpu}"


def _costs(plan: Plan, step: PlannedStep) -> str:
    images = image_count(step.data, plan.datasets)
    if step.data is None:  # of an earlier step's store
        earlier = {each.name: each for each in plan.steps}
        makers = [earlier[each.step] for each in step.inputs.values() if each.step]
        images = image_count(makers[0].data, plan.datasets) if makers else None
    counts = JOBS[step.config.job].cost(step.config, images)
    return "\n".join(f"{value:,} {name}" for name, value in counts.items()) or "-"


def _place(step: PlannedStep) -> str:
    return f"runs/{step.run.name}"


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    )


def _products(outcome: Outcome) -> list[tuple[str, str]]:
    parts = [
        ("generator", outcome.generator),
        ("latent store", outcome.store),
        *(outcome.figures or {}).items(),
    ]
    return [(label, path) for label, path in parts if path]


def _next(plan: Plan, outcome: Outcome) -> list[tuple[str, str]]:
    root = "" if plan.spec.results == "results" else f" --results {plan.spec.results}"
    commands = [(f"preimage ui{root}", "look at the run in MLflow")]
    if outcome.store:
        commands.append((f"preimage store show {outcome.store}", "what is in the latent store"))
        commands.append((f"preimage store verify {outcome.store}", "check every byte of it"))
    if outcome.job == "train-gan":
        commands.append(
            (f"preimage run jobs/invert.yaml generator={outcome.run}", "find the codes of its images")
        )
    if outcome.job == "invert":
        commands.append((f"preimage run jobs/pag.yaml store={outcome.run}", "measure its prior agreement"))
    return commands
