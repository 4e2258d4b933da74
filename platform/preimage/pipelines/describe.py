"""Describe plans of jobs and pipelines, and their outcomes, in words."""

from collections.abc import Iterator
from typing import Any

from preimage.data import inventory
from preimage.data.config import DataConfig
from preimage.data.image_shape import shape_text
from preimage.data.sources.base import Contents
from preimage.data.sources.open import found, is_gone, is_here
from preimage.pipelines.cost import cost_of
from preimage.pipelines.description import Description, Section, Summary, Time
from preimage.pipelines.hours import hardware_here, in_all, runs_here, time_of
from preimage.pipelines.low_precision import expected
from preimage.pipelines.next_steps import next_commands
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.pipelines.rates import Rates
from preimage.readable import number
from preimage.runs.checkpoints import committed
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import REPORT, Outcome, RunFolder


def describe(plan: Plan, here: bool = True, measure: bool = False) -> Description:
    """For each step: what would happen, with which inputs, at what cost, and how long that takes.

    here: whether it runs on this machine. measure: time the generators of steps that no earlier run tells of.
    """
    rates = Rates(plan.root)
    left = [step for step in plan.steps if not step.is_done]
    times = {step.name: time_of(plan, step, rates, here, measure) for step in left}
    sections = (_section(plan, step, times.get(step.name), here) for step in plan.steps)
    tracking = plan.spec.tracking
    recorded = f"{tracking.here.uri}, experiment {tracking.experiment}"
    return Description(tuple(sections), recorded, in_all(list(times.items())))


def _section(plan: Plan, step: PlannedStep, time: Time | None, here: bool) -> Section:
    return Section(
        step.name,
        step.job.job,
        _what_happens(plan, step),
        tuple(_facts(plan, step, time, here)),
        _inventory(plan, step),
        time.seconds if time else None,
        time.basis if time else "",
    )


def summarize(plan: Plan, outcome: Outcome) -> Summary:
    """The headline metrics of each job, the tables, the pictures, and what to try next.

    Of a pipeline with a report only what is read at once: its products and its tables' legends are there.
    """
    brief = plan.spec.is_pipeline and plan.run.folder.exists(REPORT)
    return Summary(
        tuple(_headlines(plan)),
        tuple(_without_legend(text) if brief else text for text in _tables(plan)),
        (*([] if brief else _products(outcome)), *pages_of(plan.run, outcome)),
        tuple(next_commands(plan)),
    )


def pages_of(run: RunFolder, outcome: Outcome) -> list[tuple[str, str]]:
    """The report, or else its pictures, and the run's page on an MLflow server if there is one, by label."""
    report = [("report", (run.folder / REPORT).uri)] if run.folder.exists(REPORT) else outcome.figures.items()
    return [*report, *([("in MLflow", page)] if (page := run.page) else [])]


def _what_happens(plan: Plan, step: PlannedStep) -> str:
    if step.state == "new":
        known = step.is_final or not any(map(plan.catalog.may_be_known, step.images))
        return "runs" if known else "runs, unless its images turn out to be those of an equal run"
    if step.state == "skipped":
        return "skipped: the metric of the rounds before it no longer falls"
    created = (step.run.about_or_none() or {"created": "earlier"})["created"]
    if step.state == "finished":
        return f"skipped: an equal run, started {created}, is finished (--fresh repeats it)"
    saved = committed(step.run.product("checkpoints"))
    at = f", at {saved[-1].images:,} images" if saved else ""
    return f"resumes a run started {created}{at}"


def _facts(plan: Plan, step: PlannedStep, time: Time | None, here: bool) -> Iterator[tuple[str, str]]:
    for key, each in step.inputs.items():
        known = f"{each.model} in MLflow, in {each.folder}" if each.model else each.folder.uri
        yield key, f"from the step {each.step}" if each.step else known
    if step.data:
        yield "images", _images(plan, step.data)
        if not step.is_done and is_here(step.data) and step == _first_with(plan, step.data):
            yield from inventory.facts(*_contents(plan, step.data), plan.catalog.total(step.data))
    if step.hidden:
        yield "not used", f"the pipeline's {_named(step.hidden)}: this step has the images of its generator"
    if not step.is_done:
        yield "workers", _workers(step)
        resources = step.job.resources
        if here and runs_here(resources) and (slow := expected(step.job, hardware_here(resources))):
            yield "note", slow
        counts = cost_of(plan, [step])
        yield "costs", ", ".join(f"{value:,} {name}" for name, value in counts.items()) or "little"
    if time:
        yield "time", time.text
    folder = step.run.folder
    unnamed = f"{folder.parent / f'{step.job.job}-...'}, once its images are read"
    yield "results", folder.uri if step.is_final else unnamed


def _first_with(plan: Plan, data: DataConfig) -> PlannedStep:
    return next(step for step in plan.steps if step.data == data)


def _contents(plan: Plan, data: DataConfig) -> tuple[Contents, list[str]]:
    """What is known of a set of images that is here."""
    return plan.catalog.contents(data) or Contents(), plan.catalog.classes(data) or []


def _inventory(plan: Plan, step: PlannedStep) -> dict[str, Any] | None:
    """The images of a step as plain values, if it has any that are here."""
    if not step.data or not is_here(step.data):
        return None
    return inventory.plain(*_contents(plan, step.data), plan.catalog.count(step.data))


def _images(plan: Plan, data: DataConfig) -> str:
    count = plan.catalog.count(data)
    text = f"{count:,} of " if count else ""
    text += f"{_named(data)}, {shape_text(data.shape)}"
    if plan.catalog.is_prepared(data):
        return text + ", prepared" + (f"; {data.path} is gone" if is_gone(data) else "")
    if plan.catalog.may_be_known(data):
        return text + ", changed or moved since they were prepared: will be compared by content"
    ready = data.path or found(data.source) or data.kind.package
    return text + (f", to be prepared from {ready}" if ready else ", to be downloaded and prepared")


def _named(data: DataConfig) -> str:
    return f"{data.source} {data.split}"


def _workers(step: PlannedStep) -> str:
    resources = step.job.resources
    if resources.backend == "local":
        on = {True: "its GPU", False: "the CPU", "auto": "its GPU if there is one, or else the CPU"}
        return f"this process, on {on[resources.gpu]}"  # which it is, torch alone knows
    gpu = {True: " and 1 GPU", False: "", "auto": ", and a GPU if there is one"}[resources.gpu]
    least = f"{resources.min_workers} to " if resources.needed < resources.workers else ""
    return f"{least}{resources.workers}, each with {resources.cpus_per_worker} CPU{gpu}, on Ray"


def _headlines(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for step in plan.steps:
        done = step.run.outcome()
        for name, value in _shown(step, done).items() if done else ():
            yield step.name, name.replace("_", " "), number(value)


def _shown(step: PlannedStep, done: Outcome) -> dict[str, Any]:
    """A run of an earlier version does not say what its headline metrics are: then its job does."""
    if done.headline:
        return done.headlines
    return {
        each.name: done.metrics[each.name]
        for each in step.job.metrics()
        if each.headline and each.name in done.metrics
    }


def _tables(plan: Plan) -> Iterator[str]:
    """The tables that the steps wrote; steps that are the same run have one table."""
    folders = {step.run.folder.uri: step.run.figures for step in plan.steps}
    for figures in folders.values():
        if figures.exists("table.md"):
            yield figures.read("table.md").decode()


def _without_legend(table: str) -> str:
    """A table's text until its last row."""
    lines = table.splitlines()
    rows = [place for place, each in enumerate(lines) if each.startswith("|")]
    return "\n".join(lines[: rows[-1] + 1]) if rows else table


def _products(outcome: Outcome) -> list[tuple[str, str]]:
    named = ((name.rpartition("."), address) for name, address in outcome.products.items())
    return [(f"{step} {PRODUCTS[name].title}".strip(), address) for (step, _, name), address in named]
