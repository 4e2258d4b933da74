"""run, plan and schema."""

import json
import signal
from typing import Annotated

import typer
from rich.console import Console

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
Fresh = Annotated[bool, typer.Option("--fresh", help="Run everything again, beside what equal runs left.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Of a study, run the failed trials again.")]


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

    Steps and trials that are finished are skipped, and interrupted ones resume: after a crash, give the same
    command again.
    """
    from preimage import api
    from preimage.cli.report import show_outcome
    from preimage.pipelines.progress import showing

    console = Console(stderr=as_json)
    planned = api.plan(spec, changes or [], profile, fresh=fresh, retry_failed=retry_failed)
    if planned.needs_ray:
        _connect(verbose)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own would abort the process
    try:
        with showing(console) as display:
            outcome = api.run(planned, display=display, verbose=verbose)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; what was made is kept: give the same command again to resume")
        raise typer.Exit(130) from None
    show_outcome(console, planned.summarize(outcome))
    if as_json:
        print(json.dumps(outcome.plain()))


def plan(spec: SpecArgument, changes: Changes = None, profile: Profile = None, fresh: Fresh = False) -> None:
    """Show what a spec would do and cost, and what is done already. Starts nothing."""
    from preimage import api
    from preimage.cli.report import show_plan

    console = Console()
    show_plan(console, api.plan(spec, changes or [], profile, fresh=fresh))
    console.print("nothing was started")


def schema() -> None:
    """Print the JSON Schema of specs: editors complete and check with it."""
    from preimage.specs.models import schema as make

    print(json.dumps(make(), indent=2))


def _connect(verbose: bool) -> None:
    """Connect to Ray; a submitted job makes sure that all nodes see the results."""
    from preimage.cluster import submissions
    from preimage.cluster.connect import connect

    connect(verbose)
    if submission := submissions.current():
        from preimage.cluster.shared_storage import require_seen

        require_seen(submission.folder, "submission.json")
