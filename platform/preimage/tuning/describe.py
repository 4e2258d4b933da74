"""Describe plans of studies, and their outcomes, in words."""

from collections.abc import Iterator

from preimage.pipelines.describe import page_of
from preimage.pipelines.description import Description, Section, Summary
from preimage.runs.metrics import in_words
from preimage.runs.run_folder import Outcome
from preimage.storage.address import command
from preimage.tuning.estimate import Estimate, estimate, rounded
from preimage.tuning.optuna_journal import FILE
from preimage.tuning.plan import StudyPlan
from preimage.tuning.ranking import rank
from preimage.tuning.records import read_records


def describe(plan: StudyPlan) -> Description:
    """The trials, what they share and cost, and where the results are."""
    found = estimate(plan)
    state = f"{plan.spec.trials} trials, {found.ended} already ended; at most {found.at_once} at once"
    section = Section(plan.spec.name, "study", state, tuple(_facts(plan, found)))
    tracking = plan.spec.tracking
    return Description((section,), f"{tracking.here.uri}, experiment {tracking.experiment}")


def summarize(plan: StudyPlan, outcome: Outcome) -> Summary:
    """The table of trials, the pictures, and what to try next."""
    figures = plan.run.figures
    tables = (table.decode(),) if (table := figures.find("table.md")) else ()
    best = [
        (plan.spec.name, name.replace("_", " "), in_words(value)) for name, value in outcome.headlines.items()
    ]
    return Summary(tuple(best), tables, (*outcome.figures.items(), *page_of(plan.run)), tuple(_next(plan)))


def _facts(plan: StudyPlan, found: Estimate) -> Iterator[tuple[str, str]]:
    spec = plan.spec
    grid = ", a grid" if spec.sampler.name == "grid" else f", chosen by {spec.sampler.name}"
    yield "space", f"{len(spec.space)} keys{grid}"
    if found.shared:
        yield "shared", f"{', '.join(found.shared)}: run once, before the trials"
    if found.impossible:
        yield "warning", f"trials at {found.impossible} points of the space would fail"
    yield "costs", _costs(plan, found)
    if found.hours is not None and found.rate is not None:
        yield "time", _time(found, found.hours, found.rate)
    yield "results", plan.run.folder.uri
    yield "watch", ", ".join(_dashboard(plan))


def _costs(plan: StudyPlan, found: Estimate) -> str:
    counts = ", ".join(f"{value:,} {name}" for name, value in found.counts.items()) or "little"
    mean = f", estimated from {found.drawn} random points" if found.drawn else ""
    name = plan.spec.scheduler.name
    less = f"; less if {name} stops trials early" if name != "none" and found.counts else ""
    return f"{counts} (unfinished work{mean}{less})"


def _time(found: Estimate, hours: float, rate: float) -> str:
    return (
        f"about {rounded(hours)} for generator evaluations alone, with {found.at_once} trials at once: this "
        f"machine now does {rate:,.0f} a second of the first point's generator"
    )


def _next(plan: StudyPlan) -> Iterator[tuple[str, str]]:
    def preimage(*words: object) -> str:
        return command("preimage", *words, results=plan.spec.results)

    if plan.spec.tracking.here.uri == "local":
        yield preimage("ui"), "see the trials in MLflow"
    for trial in rank(read_records(plan.run.folder), plan.spec.objectives).complete[:1]:
        yield (
            preimage("study", "pick", plan.run.name, trial.number, "best"),
            "record that the samples of this trial, or of another, look best to you",
        )
    yield _dashboard(plan)


def _dashboard(plan: StudyPlan) -> tuple[str, str]:
    """How to watch the study, also while it runs: (command, what it does)."""
    file = plan.run.folder / FILE
    if file.is_local:
        return command("optuna-dashboard", file), "if you have optuna-dashboard"
    return command("optuna-dashboard", FILE), f"if you have it, with a copy of {file} in this folder"
