"""The verb `submit`: run a spec on a Ray cluster."""

import json
import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from preimage.cli.run import Changes, Profile, Results, RetryFailed, SpecArgument

if TYPE_CHECKING:
    from preimage.cluster.ray_jobs import Jobs
    from preimage.cluster.submissions import Submission
    from preimage.cluster.upload import Upload
    from preimage.pipelines.planned import Planned
    from preimage.storage.folder import Folder


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
    from preimage.cluster import submissions
    from preimage.cluster.ray_jobs import Jobs, address_of, plain_command
    from preimage.cluster.upload import collect

    console = Console(stderr=as_json)
    planned = _plan(spec, changes or [], profile, results, retry_failed)
    show_plan(console, planned, spec=False)
    if planned.is_done:
        console.print("\neverything is already finished: nothing was submitted")
        return
    root = planned.root
    cluster = Jobs(address_of(address))
    _require_not_running(cluster, root, planned.fingerprint)
    upload = collect()
    _show_upload(console, upload)
    submission = submissions.create(root, planned.name)
    _record(submission, planned, cluster.address, upload)
    entrypoint = f"python -m preimage run {shlex.quote(f'{submission.folder.uri}/spec.yaml')}"
    entrypoint += " --retry-failed" if retry_failed else ""
    try:
        cluster.submit(submission, entrypoint)
    except BaseException:  # no cluster has it, so keep no record
        submission.folder.delete()
        raise
    _show_next(console, submission, plain_command(cluster.address, submission, entrypoint))
    if as_json:
        print(json.dumps(submission.record))
    if follow:
        follow_output(submission, cluster.address)


def _plan(
    spec: str, changes: list[str], profile: str | None, results: str | None, retry_failed: bool
) -> "Planned":
    """Plan the spec, which may also be an earlier submission's id. Raises PreimageError."""
    from preimage import api
    from preimage.cluster import submissions
    from preimage.errors import SpecError
    from preimage.storage.address import DEFAULT, results_root
    from preimage.storage.folder import Folder

    changes = api.with_results(changes, results)
    if not os.path.isfile(spec):
        root = Folder.at(results_root(api.named_in(changes)))
        earlier = [each for each in submissions.list_all(root) if each.id == spec]
        spec = f"{earlier[0].folder.uri}/spec.yaml" if earlier else spec
    planned = api.plan(spec, changes, profile, retry_failed=retry_failed)
    written = planned.resolved.get("results", DEFAULT)
    if "://" not in written and not os.path.isabs(written):
        raise SpecError(
            f"the results' root {written!r} would be in the job's own folder on the cluster, and be deleted "
            "with it. Give a place that all machines reach: --results /shared/results, --results "
            "s3://bucket/folder, or PREIMAGE_RESULTS"
        )
    return planned


def _require_not_running(cluster: "Jobs", root: "Folder", fingerprint: str) -> None:
    """Raise PreimageError if the cluster is already running the same plan."""
    from preimage.cluster import submissions
    from preimage.cluster.status import ACTIVE, ray_id
    from preimage.errors import PreimageError

    for each in submissions.list_all(root):
        record = each.record
        same = record["fingerprint"] == fingerprint and record["address"] == cluster.address
        if (
            same
            and each.state().get("state") not in submissions.ENDED
            and cluster.status(ray_id(each)) in ACTIVE
        ):
            raise PreimageError(
                f"the cluster is already running this plan: submission {each.id} of {record['user']}, since "
                f"{record['created']}. Follow it with `preimage logs {each.id} -f`, or stop it first: "
                f"preimage stop {each.id}"
            )


def _record(submission: "Submission", planned: "Planned", address: str, upload: "Upload") -> None:
    """Write the record before submitting to the cluster: a job that finds no record does not start."""
    from preimage.pipelines.provenance import git_commit, versions
    from preimage.storage.host_info import host, now, user
    from preimage.storage.plain_yaml import dump

    text = dump(planned.resolved)
    submission.folder.write("spec.yaml", text.encode())
    submission.folder.write("code.zip", upload.archive)
    submission.folder.write_json(
        "submission.json",
        {
            "id": submission.id,
            "name": planned.name,
            "run": planned.run.folder.uri,
            "fingerprint": planned.fingerprint,
            "address": address,
            "created": now(),
            "user": user(),
            "host": host(),
            "git_commit": git_commit(),
            "versions": versions(),
            "upload": upload.plain(),
        },
    )


def _show_upload(console: Console, upload: "Upload") -> None:
    head = f"\nupload: {len(upload.files)} files of this package, {upload.mebibytes:.2f} MiB; the largest:"
    console.print(head, highlight=False)
    for name, size in upload.largest():
        console.print(f"  {size / 1024:7.1f} KiB  {escape(name)}", highlight=False)


def _show_next(console: Console, submission: "Submission", plain: str) -> None:
    from preimage.storage.address import results_option

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
    console.print(plain, highlight=False, soft_wrap=True, markup=False)
