"""The verbs `jobs`, `status`, `logs` and `stop`: they work on any machine that reaches the results."""

import time
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from preimage.cli.options import RootOption, root_folder

if TYPE_CHECKING:
    from preimage.cluster.status import JobStatus
    from preimage.cluster.submissions import Submission

Name = Annotated[
    str,
    typer.Argument(
        help="A submission's id, or a spec's name for its newest submission.", metavar="SUBMISSION"
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="The cluster's dashboard, if it is not at the address that the job was submitted to."),
]
EVERY = 1.0
"""Seconds between two checks for new output."""
COLOURS = {"finished": "green", "failed": "red", "died": "red", "lost": "red", "running": "cyan"}


def jobs(results: RootOption = None, address: Address = None) -> None:
    """List all submissions and their states, the newest last, even if the cluster is gone."""
    from preimage.cluster import submissions
    from preimage.cluster.status import Clusters

    console, clusters = Console(), Clusters(address)
    root = root_folder(results)
    found = submissions.list_all(root)
    if not found:
        console.print(f"no submissions under {root.uri}. Submit one: preimage submit SPEC")
        return
    table = Table("submission", "state", "by", "submitted", "", box=None, pad_edge=False)
    table.columns[0].no_wrap = table.columns[3].no_wrap = True
    for each in found:
        record, job_status = each.record, clusters.status(each)
        moment = record["created"][:16].replace("T", " ")
        plain = map(escape, (record["user"], moment, _summary(each, job_status)))
        table.add_row(escape(each.id), _state(job_status), *plain)
    console.print(table)


def status(name: Name, results: RootOption = None, address: Address = None) -> None:
    """Show a submission's state, where its run is, and its pages in Ray and MLflow.

    The state is pending, running, finished, failed, stopped, died (its process
    ended unexpectedly), lost (its cluster was restarted) or unknown (no cluster
    answers).
    """
    from preimage.cluster.status import Clusters
    from preimage.storage.address import results_option, results_root

    console, submission = Console(), _find(name, results)
    job_status = Clusters(address).status(submission)
    table = Table.grid(padding=(0, 2))
    for label, fact in _facts(submission, job_status):
        table.add_row(label, escape(fact), style=_colour(job_status) if label == "state" else None)
    console.print(table)
    if job_status.state in ("stopped", "died", "lost", "failed"):
        command = f"preimage submit {submission.id}{results_option(results_root(results))}"
        console.print(
            f"\nresults so far are kept; to resume: [cyan]{command}[/cyan]", soft_wrap=True, highlight=False
        )


def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing until the job ends.")] = False,
    results: RootOption = None,
    address: Address = None,
) -> None:
    """Print a submission's output, which is kept beside the results."""
    submission = _find(name, results)
    if follow:
        follow_output(submission, address)
    else:
        print(submission.output(), end="")


def stop(name: Name, results: RootOption = None, address: Address = None) -> None:
    """Stop a submission and all its processes. Results are kept; submit it again to resume."""
    from preimage.cluster import status as cluster

    console, submission, clusters = Console(), _find(name, results), cluster.Clusters(address)
    job_status = clusters.status(submission)
    if job_status.has_ended:
        console.print(f"{submission.id} has already ended: {_state(job_status)}")
        return
    with console.status("stopping"):
        cluster.stop(clusters, submission)
    console.print(f"stopped {submission.id}; its results are kept")


def follow_output(submission: "Submission", address: str | None = None) -> None:
    """Print a submission's output until it ends. The exit code is 1 unless it finished."""
    from preimage.cluster.status import Clusters
    from preimage.cluster.submissions import BEGINNING

    clusters, place, decoder = Clusters(address), BEGINNING, getincrementaldecoder("utf-8")("replace")
    try:
        while True:
            job_status = clusters.status(submission)  # before reading: an ended job prints no more
            fresh, place = submission.printed(place)
            print(decoder.decode(fresh), end="", flush=True)
            if job_status.has_ended:
                break
            time.sleep(EVERY)
    except KeyboardInterrupt:
        Console(stderr=True).print(f"\n{submission.id} keeps running; preimage stop ends it")
        raise typer.Exit(130) from None
    Console(stderr=True).print(f"{submission.id}: {_state(job_status)} {escape(job_status.why)}".strip())
    raise typer.Exit(0 if job_status.state == "finished" else 1)


def _find(name: str, results: str | None) -> "Submission":
    from preimage.cluster import submissions

    return submissions.find(root_folder(results), name)


def _facts(submission: "Submission", job_status: "JobStatus") -> list[tuple[str, str]]:
    record, state = submission.record, submission.state()
    facts = [
        ("submission", f"{submission.id}, by {record['user']} on {record['host']}, {record['created']}"),
        ("state", job_status.state + (f" ({job_status.why})" if job_status.why else "")),
    ]
    if state:
        facts.append(("job", f"attempt {state['attempt']}, process {state['pid']} on {state['host']}"))
    facts += [
        ("cluster", f"{record['address']}/#/jobs/{state.get('ray_job') or submission.id}"),
        ("code", f"{record.get('git_commit') or 'no commit'}, {submission.folder / 'code.zip'}"),
        ("output", f"{submission.logs.uri}: {_last(submission)}"),
        ("run", submission.run),
    ]
    made = _run(submission.run)
    if page := made.get("mlflow_page") or made.get("mlflow_run_id"):
        facts.append(("MLflow", page))
    return facts


def _run(address: str) -> dict[str, Any]:
    from preimage.runs.run_folder import RunFolder
    from preimage.storage.folder import Folder

    return RunFolder(Folder.at(address)).about_or_none() or {}


def _state(job_status: "JobStatus") -> str:
    return f"[{_colour(job_status)}]{job_status.state}[/]"


def _colour(job_status: "JobStatus") -> str:
    return COLOURS.get(job_status.state, "yellow")


def _summary(submission: "Submission", job_status: "JobStatus") -> str:
    """The run of a finished submission; otherwise why it is in its state, or its last line."""
    if job_status.state == "finished":
        return submission.run.rsplit("/", 1)[-1]
    return job_status.why or _last(submission)


def _last(submission: "Submission") -> str:
    """The last line of its output."""
    names = submission.logs.names()
    lines = submission.logs.read(names[-1]).decode(errors="replace").split("\n") if names else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:100]
