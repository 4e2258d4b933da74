"""The verbs `jobs`, `status`, `logs` and `stop`: they work on any machine that reaches the results."""

import time
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from preimage.cli import complete
from preimage.cli.options import RootOption, root_folder
from preimage.cli.plain_json import print_json
from preimage.cli.screen import line, table
from preimage.storage.address import command

if TYPE_CHECKING:
    from preimage.cluster.ledger import Ledger
    from preimage.cluster.status import JobStatus
    from preimage.cluster.submissions import Submission

Name = Annotated[
    str,
    typer.Argument(
        help="A submission's id, or a spec's name: its submission that runs, or else its newest.",
        metavar="SUBMISSION",
        autocompletion=complete.submissions,
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(
        help="Submissions, by their ids, or by a spec's name if only one of its submissions has not ended.",
        metavar="SUBMISSION...",
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
RESUMABLE = ("stopped", "died", "lost", "failed")


def jobs(
    results: RootOption = None,
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it, and more, as JSON.")] = False,
) -> None:
    """List all submissions and their states, the newest last, even if the cluster is gone.

    `took` is how long the job has worked, or did; `needs` what it reserves at once.
    """
    from preimage.cli.submission_facts import needs, plain, summary, took

    console, ledger = Console(), _ledger(results, address)
    found = [(each, ledger.status(each)) for each in ledger.all]
    if as_json:
        print_json({"root": ledger.results.uri, "submissions": [plain(*each) for each in found]})
        return
    if not found:
        example = command("preimage", "submit", "SPEC", results=results)
        line(console, f"no submissions under {ledger.results.uri}. Submit one: {example}")
        return
    rows = []
    for each, job_status in found:
        record, moment = each.record, each.record["created"][:16].replace("T", " ")
        known = (moment, took(each.state()), needs(record), record["user"], summary(each, job_status))
        rows.append((each.id, _state(job_status), *known))
    table(
        console, rows, ("submission", "state", "submitted", "took", "needs", "by", "run or why"), prose=True
    )


def status(
    name: Name,
    results: RootOption = None,
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show a submission's state, where its run is, and its pages in Ray and MLflow.

    The state is pending, waiting (for what another job holds), running, finished,
    failed, stopped, died (its process ended unexpectedly), lost (its cluster was
    restarted), superseded (its plan was submitted again) or unknown (no cluster
    answers). What a cluster said of a job that ended is remembered.
    """
    from preimage.cli.submission_facts import facts, plain

    console, ledger = Console(), _ledger(results, address)
    submission = ledger.one(name)
    job_status = ledger.status(submission)
    if as_json:
        print_json(plain(submission, job_status))
        return
    coloured = {"state": _colour(job_status)}
    found = facts(submission, job_status)
    table(console, ((label, Text(fact, coloured.get(label, ""))) for label, fact in found))
    if job_status.state in RESUMABLE:
        line(console, "\nresults so far are kept; to resume: ", (submission.command("submit"), "cyan"))


def logs(
    name: Name,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Keep printing until the job ends; exit with the job's exit code."
        ),
    ] = False,
    results: RootOption = None,
    address: Address = None,
    lines: Annotated[
        int | None,
        typer.Option("--tail", "-n", min=0, help="Print only so many of the last lines.", metavar="LINES"),
    ] = None,
) -> None:
    """Print a submission's output, which is kept beside the results.

    With --follow the exit code is the job's: 0 finished, 1 it crashed or died, 2
    an error to fix, 130 stopped (also by Ctrl-C here, after which it keeps running).
    """
    from preimage.cluster.output_tail import tail

    submission = _ledger(results, address).one(name)
    if follow:
        follow_output(submission, address, lines)
    else:
        printed = (
            submission.output() if lines is None else tail(submission, lines)[0].decode(errors="replace")
        )
        print(printed, end="")


def stop(names: Names, results: RootOption = None, address: Address = None) -> None:
    """Stop submissions and all their processes. Results are kept; submit them again to resume.

    Each is stopped whatever becomes of the others. The exit code is 2 if one
    could not be stopped.
    """
    console, ledger, problems = Console(), _ledger(results, address), 0
    with console.status("stopping"):
        ended = ledger.stop(names)
    for each in ended:
        if each.problem:
            problems += 1
            line(Console(stderr=True), ("error:", "bold red"), f" {each.name} is not stopped: {each.problem}")
        elif each.before and each.before.has_ended:
            line(console, f"{each.name} has already ended: ", _state(each.before))
        else:
            line(console, f"stopped {each.name}; its results are kept")
    if problems:
        raise typer.Exit(2)


def follow_output(submission: "Submission", address: str | None = None, lines: int | None = None) -> None:
    """Print a submission's output until it ends, and exit with the job's exit code.

    lines: begin with so many of the last lines, not with the first.
    """
    from preimage.cluster.output_tail import tail
    from preimage.cluster.status import Clusters
    from preimage.cluster.submissions import BEGINNING

    clusters, decoder = Clusters(address), getincrementaldecoder("utf-8")("replace")
    fresh, place = (b"", BEGINNING) if lines is None else tail(submission, lines)
    try:
        while True:
            print(decoder.decode(fresh), end="", flush=True)
            job_status = clusters.status(submission)  # before reading: an ended job prints no more
            fresh, place = submission.printed(place)
            if job_status.has_ended:
                break
            if not fresh:
                time.sleep(EVERY)
    except KeyboardInterrupt:
        line(
            Console(stderr=True), f"\n{submission.id} keeps running; to end it: {submission.command('stop')}"
        )
        raise typer.Exit(130) from None
    print(decoder.decode(fresh), end="", flush=True)
    line(Console(stderr=True), f"{submission.id}: ", _state(job_status), f" {job_status.why}".rstrip())
    raise typer.Exit(job_status.shell_code)


def _ledger(results: str | None, address: str | None) -> "Ledger":
    from preimage.cluster.ledger import Ledger
    from preimage.cluster.status import Clusters

    return Ledger(root_folder(results), Clusters(address))


def _state(job_status: "JobStatus") -> Text:
    return Text(job_status.state, _colour(job_status))


def _colour(job_status: "JobStatus") -> str:
    return COLOURS.get(job_status.state, "yellow")
