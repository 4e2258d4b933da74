"""The verb `submit`: run a spec on a Ray cluster."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from preimage.cli.choices import chosen
from preimage.cli.plain_json import print_json
from preimage.cli.run import Changes, Code, Profile, Results, RetryFailed, SpecArgument
from preimage.cli.screen import commands, line

if TYPE_CHECKING:
    from preimage.cluster.upload import Upload
    from preimage.library.submit import Sent


def submit(
    spec: SpecArgument = None,
    changes: Changes = None,
    profile: Profile = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="The cluster's dashboard. Default: RAY_API_SERVER_ADDRESS or RAY_ADDRESS, else "
            "http://127.0.0.1:8265."
        ),
    ] = None,
    results: Results = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Print the job's output until it ends; exit with the job's exit code."
        ),
    ] = False,
    code: Code = None,
    retry_failed: RetryFailed = False,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            help="A variable of this shell, such as HF_TOKEN, that the job's processes get too; repeatable. "
            "Its value is stored nowhere: to submit the job again, set it again.",
            metavar="NAME",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the submission's record as a line of JSON on stdout.")
    ] = False,
) -> None:
    """Submit a job, a pipeline or a study to a running Ray cluster.

    You may then switch this machine off. To resume a job that was stopped, or
    lost with its cluster, submit it again. SPEC may also be a submission's id.
    With --follow the exit code is the job's: 0 finished, 1 it crashed or died, 2
    an error to fix, 130 stopped (also by Ctrl-C here, after which it keeps running).

    Example: preimage submit dcgan --results s3://bucket/folder -f
    """
    spec = chosen("submit", spec, profile)
    from preimage.cli.report import show_plan
    from preimage.cli.submissions import follow_output
    from preimage.library.submit import plan_submission, send

    console = Console(stderr=as_json)
    to_send = plan_submission(spec, changes or [], profile, results, retry_failed, code or [], env or [])
    show_plan(console, to_send.planned, spec=False, recorded=to_send.recorded, here=False)
    if to_send.planned.is_done:
        console.print("\neverything is already finished: nothing was submitted")
        return
    sent = send(to_send, address)
    _show_upload(console, sent.upload, sent.submission.record.get("plugins", {}))
    _show_next(console, sent)
    if as_json:
        print_json(sent.submission.record)
    if follow:
        follow_output(sent.submission, sent.submission.record["address"])


def _show_upload(console: Console, upload: "Upload", plugins: Mapping[str, str]) -> None:
    from preimage.cluster.upload import needs_of

    line(console, f"\nupload: {len(upload.files)} files, {upload.mebibytes:.2f} MiB; the largest:")
    for name, size in upload.largest():
        line(console, f"  {size / 1024:7.1f} KiB  {name}")
    for name, version in plugins.items():
        needs = ", ".join(needs_of(name))
        line(console, f"plugin {name} {version}" + (f"; the cluster must have {needs}" if needs else ""))


def _show_next(console: Console, sent: "Sent") -> None:
    submission = sent.submission
    line(console, "\nsubmitted: ", (submission.id, "bold"))
    found = (
        (submission.command("logs", "-f"), "follow its output"),
        (submission.command("status"), "see its state, and its pages in Ray and MLflow"),
        (submission.command("stop"), "stop it; submit it again to resume"),
    )
    commands(console, found)
    line(console, "\nthe same with Ray's own command line:\n", sent.command)
    if passed := submission.record.get("env"):
        line(
            console,
            f"It passes no value of {', '.join(passed)}: Ray would show it in its dashboard and logs.",
        )
