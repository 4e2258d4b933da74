"""Describe plans of studies, and their outcomes, in words."""

from collections.abc import Iterator

from preimage.pipelines.describe import pages_of
from preimage.pipelines.description import Description, Section, Summary, Time
from preimage.readable import number
from preimage.runs.run_folder import Outcome
from preimage.storage.address import command
from preimage.tuning.estimate import Estimate, estimate
from preimage.tuning.plan import StudyPlan
from preimage.tuning.ranking import rank
from preimage.tuning.records import read_records


def describe(plan: StudyPlan, here: bool = True, measure: bool = False) -> Description:
    """The trials, what they share and cost, and where the results are.

    here: whether they run on this machine. measure: the generator is timed anyway where no run tells."""
    found = estimate(plan)
    time = _time(found, here)
    state = f"{plan.spec.trials} trials, {found.ended} already ended; at most {found.at_once} at once"
    facts = tuple(_facts(plan, found, time))
    section = Section(plan.spec.name, "study", state, facts, None, time.seconds, time.basis)
    tracking = plan.spec.tracking
    return Description((section,), f"{tracking.here.uri}, experiment {tracking.experiment}", time)


def summarize(plan: StudyPlan, outcome: Outcome) -> Summary:
    """The table of trials, the pictures, and what to try next."""
    figures = plan.run.figures
    tables = (table.decode(),) if (table := figures.find("table.md")) else ()
    best = [
        (plan.spec.name, name.replace("_", " "), number(value)) for name, value in outcome.headlines.items()
    ]
    return Summary(tuple(best), tables, tuple(pages_of(plan.run, outcome)), tuple(_next(plan)))


def _facts(plan: StudyPlan, found: Estimate, time: Time) -> Iterator[tuple[str, str]]:
    spec = plan.spec
    grid = ", a grid" if spec.sampler.name == "grid" else f", chosen by {spec.sampler.name}"
    yield "space", f"{len(spec.space)} keys{grid}"
    if found.shared:
        yield "shared", f"{', '.join(found.shared)}: run once, before the trials"
    if found.impossible:
        yield "warning", f"trials at {found.impossible} points of the space would fail"
    yield "costs", _costs(plan, found)
    if time.seconds is not None:
        yield "time", time.text
    yield "results", plan.run.folder.uri
    yield "watch", _dashboard(plan)[0]


def _costs(plan: StudyPlan, found: Estimate) -> str:
    counts = ", ".join(f"{value:,} {name}" for name, value in found.counts.items()) or "little"
    mean = f", estimated from {found.drawn} random points" if found.drawn else ""
    name = plan.spec.scheduler.name
    less = f"; less if {name} stops trials early" if name != "none" and found.counts else ""
    return f"{counts} (unfinished work{mean}{less})"


def _time(found: Estimate, here: bool) -> Time:
    parts: list[str] = []
    if found.runs:
        more = f" and {len(found.runs) - 1} more" if len(found.runs) > 1 else ""
        parts.append(f"measured by {next(iter(found.runs))}{more} on this hardware")
    if found.rate and found.evaluations:
        only = "the rest" if found.runs else "generator evaluations alone"
        speed = f"this machine now does {found.rate:,.0f} a second of the first point's generator"
        parts.append(f"for {only}, {speed}")
    elif found.unmeasured and found.runs:
        parts.append("not known of the other steps")
    at_once = f"{found.at_once} trials at once" if found.at_once > 1 else "one trial at a time"
    elsewhere = "" if here else "; the cluster's hardware is not known here"
    return Time(found.seconds, f"with {at_once}: {'; '.join(parts)}{elsewhere}")


def _next(plan: StudyPlan) -> Iterator[tuple[str, str]]:
    def preimage(*words: object) -> str:
        return command("preimage", *words, results=plan.spec.results)

    yield _dashboard(plan)
    for trial in rank(read_records(plan.run.folder), plan.spec.objectives).complete[:1]:
        yield (
            preimage("study", "pick", plan.run.name, trial.number, "best"),
            "record that the samples of this trial, or of another, look best to you",
        )
        if trial.run:
            if any(step.job.makes & {"store", "generator"} for step in plan.base.steps):
                yield preimage("browse", trial.run), "look into the best trial's latent space, in a browser"
            yield preimage("run", trial.run), "show the best trial, or run it again with other KEY=VALUE"
    if plan.spec.tracking.here.uri == "local":
        yield preimage("ui"), "see the trials in MLflow"


def _dashboard(plan: StudyPlan) -> tuple[str, str]:
    """How to watch the study, also while it runs: (command, what it does)."""
    shown = command("preimage", "ui", "--optuna", plan.run.name, results=plan.spec.results)
    return shown, "see the trials and their samples in Optuna's dashboard, also while they run"
