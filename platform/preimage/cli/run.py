"""The verbs `run`, `plan` and `schema`."""

import json
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from preimage.cli import complete
from preimage.cli.choices import chosen
from preimage.cli.plain_json import print_json
from preimage.cli.screen import commands, line
from preimage.errors import PreimageError
from preimage.storage.address import command

if TYPE_CHECKING:
    from preimage.pipelines.planned import Planned

SpecArgument = Annotated[
    str | None,
    typer.Argument(
        help="A spec file, the name of one that comes with Preimage, such as demo, or an earlier run by its "
        "name, folder or MLflow run id. Without one, those to choose from are listed.",
        metavar="SPEC",
        autocompletion=complete.specs,
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        help="Override keys of the spec, such as training.total_images=100000. In a pipeline, begin with "
        "the step: train.training.total_images=100000.",
        metavar="[KEY=VALUE]...",
        autocompletion=complete.changes,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="Apply one of the spec's named sets of overrides, such as small. Without a name, list them.",
        autocompletion=complete.profiles,
    ),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Run everything again in new folders, and keep earlier runs.")
]
Results = Annotated[
    str | None,
    typer.Option(
        help="Folder of all results, or an address such as s3://bucket/folder. Default: the spec's own "
        "`results`, PREIMAGE_RESULTS, results/.",
        metavar="FOLDER",
    ),
]
Code = Annotated[
    list[str] | None,
    typer.Option(
        help="A Python module, such as mypkg.nets, whose code may build imported generators; repeatable.",
        metavar="MODULE",
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run a study's failed trials again.")]


def run(
    spec: SpecArgument = None,
    changes: Changes = None,
    profile: Profile = None,
    results: Results = None,
    fresh: Fresh = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcome as the last line of stdout.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what Ray and its workers print.")
    ] = False,
    code: Code = None,
    retry_failed: RetryFailed = False,
) -> None:
    """Run a job, a pipeline or a study, and show its results.

    Finished steps and trials are skipped, interrupted ones resume: after a
    crash, run the same command again.

    Example: preimage run dcgan --profile small model.latent_dim=50
    """
    spec = chosen("run", spec, profile)  # before what is slow to import
    from preimage import api
    from preimage.cli.report import show_outcome
    from preimage.cluster import submissions
    from preimage.named_code import naming
    from preimage.pipelines.packages import require_packages
    from preimage.pipelines.progress import showing

    console = Console(stderr=as_json)
    again = {"fresh": fresh, "retry_failed": retry_failed}
    planned = api.plan(spec, changes or [], profile, results=results, code=code or [], **again)
    require_packages(planned.name, planned.packages)
    if planned.needs_ray:
        with naming(planned.code):
            _connect(verbose)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own would abort the process
    try:
        with api.room_for(planned), showing(console) as display:
            with naming(planned.code):
                planned = planned.with_images(display)
            if submission := submissions.current():
                submission.makes(planned.run.folder.uri, planned.fingerprint)
            outcome = api.run(planned, display=display, verbose=verbose)
    except KeyboardInterrupt:
        errors = Console(stderr=True)
        line(errors, "stopped; results so far are kept. Run the same command again to resume")
        commands(errors, _after_failure(planned))
        raise typer.Exit(130) from None
    except PreimageError as error:
        errors = Console(stderr=True)
        line(errors, ("error:", "bold red"), f" {error}")
        commands(errors, _after_failure(planned))
        raise typer.Exit(2) from None
    show_outcome(console, planned.summarize(outcome))
    if as_json:
        print_json(outcome.plain())


def plan(
    spec: SpecArgument = None,
    changes: Changes = None,
    profile: Profile = None,
    results: Results = None,
    fresh: Fresh = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Time the generator where no earlier run tells how long it takes.",
        ),
    ] = False,
    code: Code = None,
) -> None:
    """Show what a spec would do, cost and take, and what is already done. Starts nothing.

    The images of each step are shown by split and class, with what is not
    read of their files. Nothing is decoded for that.

    Example: preimage plan dcgan --profile small
    """
    spec = chosen("plan", spec, profile)
    from preimage import api
    from preimage.cli.report import plain_plan, show_plan
    from preimage.pipelines.packages import note

    planned = api.plan(spec, changes or [], profile, results=results, fresh=fresh, code=code or [])
    if as_json:
        print_json(plain_plan(planned, measure))
        return
    console = Console()
    show_plan(console, planned, measure=measure)
    if needed := note(planned.packages):
        line(console, needed)
    console.print("nothing was started")


def schema() -> None:
    """Print the JSON Schema of specs, with which editors complete and check them.

    Example: preimage schema > schema.json
    """
    from preimage.specs.models import schema as make

    print(json.dumps(make(), indent=2))


def _after_failure(planned: "Planned") -> list[tuple[str, str]]:
    """What to do after a run that did not end: (command, what it does). Nothing of one that did not begin."""
    if not planned.run.about_or_none():
        return []
    again = shlex.join(["preimage", *(word for word in sys.argv[1:] if word != "--fresh")])
    report = command("preimage", "report", planned.run.name, results=planned.root.uri)
    return [(again, "resume; what is finished is not done again"), (report, "see what there is so far")]


def _connect(verbose: bool) -> None:
    """Connect to Ray. A submitted job also checks that all nodes see the results."""
    from preimage.cluster import submissions
    from preimage.cluster.connect import connect

    connect(verbose)
    if submission := submissions.current():
        from preimage.cluster.shared_storage import require_seen

        require_seen(submission.folder, "submission.json")
