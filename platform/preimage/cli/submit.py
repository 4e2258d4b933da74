"""The verb `submit`: run a spec on a Ray cluster."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from preimage.cli.run import Changes, Code, Profile, Results, RetryFailed, SpecArgument

if TYPE_CHECKING:
    from preimage.cluster.upload import Upload
    from preimage.library.submit import Sent


def submit(
    spec: SpecArgument,
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
        bool, typer.Option("--follow", "-f", help="Print the job's output until it ends.")
    ] = False,
    code: Code = None,
    retry_failed: RetryFailed = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the submission's record as a line of JSON on stdout.")
    ] = False,
) -> None:
    """Submit a job, a pipeline or a study to a running Ray cluster.

    You may then switch this machine off. To resume a job that was stopped, or
    lost with its cluster, submit it again. SPEC may also be a submission's id.

    Example: preimage submit jobs/dcgan.yaml --results s3://bucket/folder -f
    """
    from preimage.cli.report import show_plan
    from preimage.cli.submissions import follow_output
    from preimage.library.submit import plan_submission, send

    console = Console(stderr=as_json)
    planned = plan_submission(spec, changes or [], profile, results, retry_failed, code or [])
    show_plan(console, planned, spec=False)
    if planned.is_done:
        console.print("\neverything is already finished: nothing was submitted")
        return
    sent = send(planned, address, retry_failed)
    _show_upload(console, sent.upload)
    _show_next(console, sent)
    if as_json:
        print(json.dumps(sent.submission.record))
    if follow:
        follow_output(sent.submission, sent.submission.record["address"])


def _show_upload(console: Console, upload: "Upload") -> None:
    head = f"\nupload: {len(upload.files)} files, {upload.mebibytes:.2f} MiB; the largest:"
    console.print(head, highlight=False)
    for name, size in upload.largest():
        console.print(f"  {size / 1024:7.1f} KiB  {escape(name)}", highlight=False)


def _show_next(console: Console, sent: "Sent") -> None:
    from preimage.storage.address import results_option

    submission = sent.submission
    console.print(f"\nsubmitted: [bold]{submission.id}[/bold]\n\n[bold]next[/bold]")
    where = results_option(submission.folder.parent.parent.uri)
    for words, what in (
        (f"logs {submission.id} -f", "follow its output"),
        (f"status {submission.id}", "see its state, and its pages in Ray and MLflow"),
        (f"stop {submission.id}", "stop it; submit it again to resume"),
    ):
        command = f"preimage {words}{where}"
        console.print(f"  [cyan]{escape(command)}[/cyan]  {what}", highlight=False, soft_wrap=True)
    console.print("\nthe same with Ray's own command line:")
    console.print(sent.command, highlight=False, soft_wrap=True, markup=False)
