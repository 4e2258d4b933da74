"""Plans and outcomes of studies, for people."""

import yaml
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape

from preimage.runs.run_folder import Outcome
from preimage.tuning.estimate import Estimate, estimate, rounded
from preimage.tuning.plan import StudyPlan


def show_study_plan(console: Console, plan: StudyPlan, spec: bool = True) -> None:
    """The resolved spec, if asked for, the trials and what they share, what it costs, and where it goes."""
    if spec:
        text = yaml.safe_dump(plan.spec.resolved(), sort_keys=False, allow_unicode=True)
        console.print(escape(text), highlight=False)
    for label, fact in _facts(plan, estimate(plan)):
        console.print(f"{label:<10} {escape(fact)}", highlight=False, soft_wrap=True)


def show_study(console: Console, plan: StudyPlan, outcome: Outcome) -> None:
    """The table, the pictures, and what to try next."""
    if plan.run.figures.exists("table.md"):
        console.print()
        console.print(Markdown(plan.run.figures.read("table.md").decode()))
    console.print()
    for label, path in (outcome.figures or {}).items():
        console.print(f"{label:<28} {path}", highlight=False, soft_wrap=True)
    local = plan.spec.results == "results"
    name = plan.run.name if local else plan.run.folder.uri
    commands = [(f"preimage study pick {name} TRIAL best", "say which trial's samples look best")]
    if plan.spec.tracking.here.uri == "local":
        there = "" if local else f" --results {plan.spec.results}"
        commands.insert(0, (f"preimage ui{there}", "the trials in MLflow"))
    if plan.run.folder.is_local:
        commands.append(
            (f"optuna-dashboard {plan.run.folder.uri}/optuna.log", "if you have optuna-dashboard")
        )
    console.print("\n[bold]next[/bold]")
    for command, what in commands:
        console.print(f"  [cyan]{escape(command)}[/cyan]  {what}", highlight=False, soft_wrap=True)


def _facts(plan: StudyPlan, found: Estimate) -> list[tuple[str, str]]:
    spec = plan.spec
    grid = ", a grid" if spec.sampler.name == "grid" else f", chosen by {spec.sampler.name}"
    facts = [
        ("space", f"{len(spec.space)} keys{grid}"),
        ("trials", f"{spec.trials}, of which {found.over} are over; at most {found.at_once} at once"),
    ]
    if found.shared:
        facts.append(("shared", f"{', '.join(found.shared)}: run once, before the trials"))
    if found.impossible:
        facts.append(("but", f"at {found.impossible} points of the space no trial can be run: it would fail"))
    facts.append(("costs", _costs(plan, found)))
    if found.hours is not None and found.rate is not None:
        facts.append(("time", _time(found, found.hours, found.rate)))
    facts.append(("results", plan.run.folder.uri))
    facts.append(("recorded", f"in {spec.tracking.here.uri}, experiment {spec.tracking.experiment}"))
    return facts


def _costs(plan: StudyPlan, found: Estimate) -> str:
    counts = ", ".join(f"{value:,} {name}" for name, value in found.counts.items()) or "little"
    mean = f", by the mean of {found.drawn} random points" if found.drawn else ""
    name = plan.spec.scheduler.name
    less = f"; less what {name} gives up" if name != "none" and found.counts else ""
    return f"{counts}: all that is not finished{mean}{less}"


def _time(found: Estimate, hours: float, rate: float) -> str:
    return (
        f"about {rounded(hours)} for generator evaluations alone, at the {rate:,.0f} a second that this "
        f"machine does of the first point's generator now, {found.at_once} at once"
    )
