"""run, plan and schema."""

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from preimage.pipelines.plan import Plan

SpecArgument = Annotated[
    str,
    typer.Argument(
        help="A spec file, or an earlier run: its name, its folder or its MLflow run id.", metavar="SPEC"
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        help="Overrides: dotted keys and values, such as training.images=100000 "
        "(in a pipeline: train.training.images=100000).",
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
) -> None:
    """Run a job or a pipeline.

    Steps that are finished are skipped, and one that was interrupted goes on where it stopped: after a
    crash, give the same command again.
    """
    from preimage.cli.report import show_outcome
    from preimage.pipelines.execute import execute
    from preimage.pipelines.progress import showing

    console = Console(stderr=as_json)
    planned = _plan(spec, changes, profile, fresh)
    if any(step.config.resources.backend == "ray" and step.state != "finished" for step in planned.steps):
        from preimage.cluster.connect import connect

        connect(verbose)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own would abort the process
    try:
        with showing(console) as show:
            outcome = execute(planned, show)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; what was made is kept: give the same command again to go on")
        raise typer.Exit(130) from None
    show_outcome(console, planned, outcome)
    if as_json:
        print(json.dumps(outcome.plain()))


def plan(spec: SpecArgument, changes: Changes = None, profile: Profile = None, fresh: Fresh = False) -> None:
    """Show what a spec would do and cost, and what is done already. Starts nothing."""
    from preimage.cli.report import show_plan

    show_plan(Console(), _plan(spec, changes, profile, fresh))


def schema() -> None:
    """Print the JSON Schema of specs: editors complete and check with it."""
    from preimage.specs.models import schema as make

    print(json.dumps(make(), indent=2))


def _plan(spec: str, changes: list[str] | None, profile: str | None, fresh: bool) -> "Plan":
    from preimage.pipelines.plan import make_plan
    from preimage.specs.load import load, loads

    if Path(spec).is_file():
        return make_plan(load(Path(spec), profile, changes or []), fresh)
    text, origin, name = _stored(spec)
    return make_plan(loads(text, origin, name, profile, changes or []), fresh)


def _stored(run: str) -> tuple[str, str, str]:
    """The spec that an earlier run keeps: its text, where it lies, and the run's name."""
    from preimage.errors import SpecError
    from preimage.pipelines.inputs import find_run
    from preimage.storage import Folder

    found = find_run(run, Folder.at("results") / "runs")
    if not found:
        raise SpecError(
            f"{run!r} is neither a spec file nor a run under results/ (elsewhere, give its folder). "
            "Shipped specs are in jobs/."
        )
    text = found.folder.read("spec.yaml").decode()
    return text, f"{found.folder.uri}/spec.yaml", found.folder.read_json("run.json")["name"]
