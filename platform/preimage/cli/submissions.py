"""The verbs `jobs`, `status`, `logs` and `stop`: they work on any machine that reaches the results."""

import time
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from preimage.cli import complete
from preimage.cli.options import RootOption, root_folder
from preimage.cli.screen import line, table
from preimage.storage.address import command, name_of

if TYPE_CHECKING:
    from preimage.cluster.status import JobStatus
    from preimage.cluster.submissions import Submission

Name = Annotated[
    str,
    typer.Argument(
        help="A submission's id, or a spec's name for its newest submission.",
        metavar="SUBMISSION",
        autocompletion=complete.submissions,
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
        example = command("preimage", "submit", "SPEC", results=results)
        line(console, f"no submissions under {root.uri}. Submit one: {example}")
        return
    rows = []
    for each in found:
        record, job_status = each.record, clusters.status(each)
        moment = record["created"][:16].replace("T", " ")
        rows.append((each.id, _state(job_status), record["user"], moment, _summary(each, job_status)))
    table(console, rows, ("submission", "state", "by", "submitted", ""))


def status(name: Name, results: RootOption = None, address: Address = None) -> None:
    """Show a submission's state, where its run is, and its pages in Ray and MLflow.

    The state is pending, running, finished, failed, stopped, died (its process
    ended unexpectedly), lost (its cluster was restarted) or unknown (no cluster
    answers).
    """
    from preimage.cluster.status import Clusters

    console, submission = Console(), _find(name, results)
    job_status = Clusters(address).status(submission)
    coloured = {"state": _colour(job_status)}
    facts = _facts(submission, job_status)
    table(console, ((label, Text(fact, coloured.get(label, ""))) for label, fact in facts))
    if job_status.state in ("stopped", "died", "lost", "failed"):
        line(console, "\nresults so far are kept; to resume: ", (submission.command("submit"), "cyan"))


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
        line(console, f"{submission.id} has already ended: ", _state(job_status))
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
        line(
            Console(stderr=True), f"\n{submission.id} keeps running; to end it: {submission.command('stop')}"
        )
        raise typer.Exit(130) from None
    line(Console(stderr=True), f"{submission.id}: ", _state(job_status), f" {job_status.why}".rstrip())
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


def _state(job_status: "JobStatus") -> Text:
    return Text(job_status.state, _colour(job_status))


def _colour(job_status: "JobStatus") -> str:
    return COLOURS.get(job_status.state, "yellow")


def _summary(submission: "Submission", job_status: "JobStatus") -> str:
    """The run of a finished submission; otherwise why it is in its state, or its last line."""
    if job_status.state == "finished":
        return name_of(submission.run)
    return job_status.why or _last(submission)


def _last(submission: "Submission") -> str:
    """The last line of its output."""
    names = submission.logs.names()
    lines = submission.logs.read(names[-1]).decode(errors="replace").split("\n") if names else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:100]
