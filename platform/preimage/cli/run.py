"""run, plan and schema."""

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from preimage.pipelines.plan import Plan
    from preimage.runs.run_folder import Outcome
    from preimage.tuning.plan import StudyPlan

SpecArgument = Annotated[
    str,
    typer.Argument(
        help="A spec file, or an earlier run: its name, its folder or its MLflow run id.", metavar="SPEC"
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        help="Overrides: dotted keys and values, such as training.total_images=100000 "
        "(in a pipeline: train.training.total_images=100000).",
        metavar="[KEY=VALUE]...",
    ),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", "-p", help="Apply one of the spec's named sets of overrides, such as small."),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Do everything anew, beside what an equal run left earlier.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Of a study, run the trials again that failed.")
]


def run(
    spec: SpecArgument,
    changes: Changes = None,
    profile: Profile = None,
    fresh: Fresh = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print outcome.json as the last thing on stdout.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what Ray and its workers print.")
    ] = False,
    retry_failed: RetryFailed = False,
) -> None:
    """Run a job, a pipeline or a study.

    Steps and trials that are finished are skipped, and one that was interrupted goes on where it stopped:
    after a crash, give the same command again.
    """
    from preimage.runs import submissions

    console = Console(stderr=as_json)
    planned = plan_of(spec, changes, profile, fresh)
    if _needs_ray(planned, retry_failed):
        from preimage.cluster.connect import connect

        connect(verbose)
        if submission := submissions.current():
            from preimage.cluster.shared_storage import require_seen

            require_seen(submission.folder, "submission.json")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own would abort the process
    try:
        outcome = _run(console, planned, retry_failed)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; what was made is kept: give the same command again to go on")
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(outcome.plain()))


def plan(spec: SpecArgument, changes: Changes = None, profile: Profile = None, fresh: Fresh = False) -> None:
    """Show what a spec would do and cost, and what is done already. Starts nothing."""
    console = Console()
    show_planned(console, plan_of(spec, changes, profile, fresh))
    console.print("nothing was started")


def show_planned(console: Console, planned: "Plan | StudyPlan", spec: bool = True) -> None:
    """What a spec would do; `spec`: with the resolved spec itself."""
    from preimage.cli.report import show_plan
    from preimage.cli.study_report import show_study_plan
    from preimage.pipelines.plan import Plan

    if isinstance(planned, Plan):
        show_plan(console, planned, spec)
    else:
        show_study_plan(console, planned, spec)


def schema() -> None:
    """Print the JSON Schema of specs: editors complete and check with it."""
    from preimage.specs.models import schema as make

    print(json.dumps(make(), indent=2))


def plan_of(spec: str, changes: list[str] | None, profile: str | None, fresh: bool) -> "Plan | StudyPlan":
    from preimage.errors import SpecError
    from preimage.pipelines.plan import make_plan
    from preimage.specs.load import loads, read
    from preimage.specs.study import is_study, loads_study
    from preimage.storage.folder import Folder

    path = Path(spec)
    if path.is_file():
        text, origin, name = read(path), spec, path.stem
    elif "://" in spec and spec.endswith(".yaml"):
        text, origin, name = Folder.at(spec).parent.read(path.name).decode(), spec, path.stem
    else:
        text, origin, name = _stored(spec, changes or [])
    if not is_study(text, origin):
        return make_plan(loads(text, origin, name, profile, changes or []), fresh)
    if fresh:
        raise SpecError("--fresh is for jobs and pipelines: run a study anew with results=ANOTHER-FOLDER")
    from preimage.tuning.plan import plan_study

    return plan_study(loads_study(text, origin, name, profile, changes or []))


def _needs_ray(planned: "Plan | StudyPlan", retry_failed: bool) -> bool:
    from preimage.pipelines.plan import Plan

    if not isinstance(planned, Plan):
        return planned.on_ray and planned.missing(retry_failed) > 0
    return any(
        step.config.resources.backend == "ray" and step.state in ("new", "begun") for step in planned.steps
    )


def _run(console: Console, planned: "Plan | StudyPlan", retry_failed: bool) -> "Outcome":
    from preimage.cli.report import show_outcome
    from preimage.pipelines.execute import execute
    from preimage.pipelines.plan import Plan
    from preimage.pipelines.progress import showing

    if isinstance(planned, Plan):
        with showing(console) as show:
            outcome = execute(planned, show)
        show_outcome(console, planned, outcome)
        return outcome
    from preimage.cli.study_report import show_study
    from preimage.tuning.study import run_study

    with showing(console) as show:
        outcome = run_study(planned, show, retry_failed)
    show_study(console, planned, outcome)
    return outcome


def _stored(run: str, changes: list[str]) -> tuple[str, str, str]:
    """The spec that an earlier run keeps, under the results that the overrides name: its text, where it lies,
    and the run's name."""
    from preimage.errors import SpecError
    from preimage.pipelines.inputs import find_run
    from preimage.specs.overrides import parse_override
    from preimage.storage.folder import Folder

    results = str(dict(map(parse_override, changes)).get("results", "results"))
    found = find_run(run, Folder.at(results) / "runs")
    if not found:
        raise SpecError(
            f"{run!r} is neither a spec file nor a run under {results}/ (elsewhere, give its folder, or "
            "results=FOLDER). Shipped specs are in jobs/ and tuning/."
        )
    text = found.folder.read("spec.yaml").decode()
    return text, f"{found.folder.uri}/spec.yaml", found.about()["name"]
