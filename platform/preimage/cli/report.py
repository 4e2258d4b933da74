"""Plans and outcomes as tables."""

from collections.abc import Iterator
from typing import Any

import yaml
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from preimage.data.config import DataConfig
from preimage.data.prepare import dataset_name
from preimage.data.sources import found
from preimage.jobs.registry import JOBS
from preimage.pipelines.cost import cost_of
from preimage.pipelines.plan import Plan, PlannedStep, image_count
from preimage.runs.run_folder import Outcome
from preimage.training import checkpoints


def show_plan(console: Console, plan: Plan, spec: bool = True) -> None:
    """The resolved spec, if asked for, then of each step what would happen, with what, and at what cost."""
    if spec:
        text = yaml.safe_dump(plan.spec.resolved(), sort_keys=False, allow_unicode=True)
        console.print(escape(text), highlight=False)
    for step in plan.steps:
        head = f"[bold]{step.name}[/bold] ({step.config.job}): {_what_happens(step)}"
        console.print(head, highlight=False, soft_wrap=True)
        for label, fact in _facts(plan, step):
            console.print(f"  {label:<8} {escape(fact)}", highlight=False, soft_wrap=True)
    tracking = plan.spec.tracking
    console.print(
        f"\nruns are recorded in: {tracking.here.uri}, experiment {tracking.experiment}", highlight=False
    )


def show_outcome(console: Console, plan: Plan, outcome: Outcome) -> None:
    """The figures, the pictures, and what to try next."""
    table = Table("step", "figure", "value", box=None, pad_edge=False)
    for step in plan.steps:
        done = step.run.outcome()
        metrics = done.metrics if done else {}
        for name in JOBS[step.config.job].headline:
            if name in metrics:
                table.add_row(step.name, name.replace("_", " "), _number(metrics[name]))
    console.print()
    console.print(table)
    console.print()
    for written in _tables(plan):
        console.print(Markdown(written))
        console.print()
    for label, path in _products(outcome):
        console.print(f"{label:<16} {path}", highlight=False, soft_wrap=True)
    console.print("\n[bold]next[/bold]")
    for command, what in _next(plan, outcome):
        console.print(f"  [cyan]{escape(command)}[/cyan]  {what}", highlight=False, soft_wrap=True)


def _tables(plan: Plan) -> list[str]:
    """The tables that steps wrote for people, each once however many steps are the same run."""
    folders = {step.run.folder.uri: step.run.figures for step in plan.steps}
    return [each.read("table.md").decode() for each in folders.values() if each.exists("table.md")]


def _what_happens(step: PlannedStep) -> str:
    if step.state == "new":
        return "runs"
    if step.state == "left out":
        return "left out: the rounds before did not lower what they are to lower"
    begun = step.run.about()["created"]
    if step.state == "finished":
        return f"skipped: an equal run, begun {begun}, is finished (--fresh repeats it)"
    saved = checkpoints.committed(step.run.checkpoints)
    return f"goes on where a run begun {begun} stopped" + (
        f", at {saved[-1].images:,} images" if saved else ""
    )


def _facts(plan: Plan, step: PlannedStep) -> Iterator[tuple[str, str]]:
    for key, each in step.inputs.items():
        yield key, f"of the step {each.step}" if each.step else each.folder.uri
    if step.data:
        yield "images", _images(plan, step.data)
    if step.state in ("new", "begun"):
        yield "workers", _workers(step)
        yield "costs", _costs(plan, step)
    yield "results", step.run.folder.uri


def _images(plan: Plan, data: DataConfig) -> str:
    count = image_count(data, plan.datasets)
    text = f"{count:,} of " if count else ""
    text += f"{data.source} {data.split}, {data.channels} x {data.size} x {data.size}"
    if (plan.datasets / dataset_name(data)).exists("manifest.json"):
        return text + ", prepared"
    ready = data.path or found(data.source)
    return text + (f", to be prepared from {ready}" if ready else ", to be downloaded and prepared")


def _workers(step: PlannedStep) -> str:
    resources = step.config.resources
    if resources.backend == "local":
        return "this process"
    gpu = {True: " and 1 GPU", False: "", "auto": ", and a GPU where there is one"}[resources.gpu]
    least = f"{resources.min_workers} to " if resources.needed < resources.workers else ""
    return f"{least}{resources.workers}, each with {resources.cpus_per_worker} CPU{gpu}, on Ray"


def _costs(plan: Plan, step: PlannedStep) -> str:
    counts = cost_of(plan, [step])
    return ", ".join(f"{value:,} {name}" for name, value in counts.items()) or "little"


def _number(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    )


def _products(outcome: Outcome) -> list[tuple[str, str]]:
    parts = [
        ("generator", outcome.generator),
        ("latent store", outcome.store),
        ("classifier", outcome.classifier),
        ("prior", outcome.prior),
        *(outcome.figures or {}).items(),
    ]
    return [(label, path) for label, path in parts if path]


def _next(plan: Plan, outcome: Outcome) -> list[tuple[str, str]]:
    local = plan.spec.results == "results"
    there = "" if local else f" results={plan.spec.results}"
    commands = []
    if plan.spec.tracking.here.uri == "local":
        commands.append(
            ("preimage ui" + ("" if local else f" --results {plan.spec.results}"), "the run in MLflow")
        )
    if outcome.store:
        commands.append((f"preimage store show {outcome.store}", "what is in the latent store"))
        commands.append((f"preimage store verify {outcome.store}", "check every byte of it"))
    if outcome.job == "train-gan":
        commands.append(
            (f"preimage run jobs/invert.yaml generator={outcome.run}{there}", "the codes of its images")
        )
    if outcome.job == "train-classifier":
        step = f"{{score: {{job: evaluate, generators: {{GAN: RUN}}, classifier: {outcome.run}}}}}"
        command = f"preimage run jobs/evaluate.yaml steps='{step}'{there}"
        commands.append((command, "how good a generator's samples of such images are"))
    if outcome.job == "invert":
        commands.append((f"preimage run jobs/pag.yaml store={outcome.run}{there}", "their prior agreement"))
    if outcome.job == "pipeline":
        commands.append(("preimage run jobs/dcgan.yaml --profile small", "a DCGAN on Fashion-MNIST"))
    return commands
