"""jobs, status, logs and stop: of what was submitted, from any machine that reaches the results."""

import time
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from preimage.cluster.status import Standing
    from preimage.cluster.submissions import Submission

Name = Annotated[
    str,
    typer.Argument(
        help="A submission's id, or the name of a spec: then its newest submission.", metavar="SUBMISSION"
    ),
]
Results = Annotated[str, typer.Option(help="The results' folder.", envvar="PREIMAGE_RESULTS")]
Address = Annotated[
    str | None,
    typer.Option(help="The cluster's dashboard, where it is not at the address that was submitted to."),
]
EVERY = 1.0
"""Seconds between two looks at new output."""
PATIENCE = 60.0
"""Seconds for a job to end once it was asked to."""
COLOURS = {"finished": "green", "failed": "red", "died": "red", "lost": "red", "running": "cyan"}


def jobs(results: Results = "results", address: Address = None) -> None:
    """List what was submitted, the newest last, and how it stands; also when its cluster is gone."""
    from preimage.cluster import submissions
    from preimage.cluster.status import Clusters
    from preimage.storage.folder import Folder

    console, clusters = Console(), Clusters(address)
    found = submissions.list_all(Folder.at(results))
    if not found:
        console.print(f"nothing was submitted with results={results}: preimage submit SPEC")
        return
    table = Table("submission", "state", "by", "submitted", "", box=None, pad_edge=False)
    table.columns[0].no_wrap = table.columns[3].no_wrap = True
    for each in found:
        known, standing = each.record, clusters.standing(each)
        moment = known["created"][:16].replace("T", " ")
        plain = map(escape, (known["user"], moment, _said(each, standing)))
        table.add_row(escape(each.id), _state(standing), *plain)
    console.print(table)


def status(name: Name, results: Results = "results", address: Address = None) -> None:
    """Say how a submission stands, where its run is, and its pages in Ray and MLflow."""
    from preimage.cluster.status import Clusters

    console, submission = Console(), _find(name, results)
    standing = Clusters(address).standing(submission)
    table = Table.grid(padding=(0, 2))
    for label, fact in _facts(submission, standing):
        table.add_row(label, escape(fact), style=_colour(standing) if label == "state" else None)
    console.print(table)
    if standing.state in ("stopped", "died", "lost", "failed"):
        command = f"preimage submit {submission.id} --results {results}"
        console.print(
            f"\nnothing made is lost; to go on: [cyan]{command}[/cyan]", soft_wrap=True, highlight=False
        )


def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay until the job is over.")] = False,
    results: Results = "results",
    address: Address = None,
) -> None:
    """Show what a submission printed, kept beside the results."""
    submission = _find(name, results)
    if follow:
        follow_output(submission, address)
    else:
        print(submission.output(), end="")


def stop(name: Name, results: Results = "results", address: Address = None) -> None:
    """End a submission and all its processes. What it made is kept: submitted again, it goes on."""
    from preimage.cluster.status import ACTIVE, Clusters, ray_id
    from preimage.errors import PreimageError

    console, submission, clusters = Console(), _find(name, results), Clusters(address)
    standing = clusters.standing(submission)
    if standing.is_over:
        console.print(f"{submission.id} is over already: {_state(standing)}")
        return
    cluster, job = clusters.of(submission), ray_id(submission)
    submission.ask_to_stop()
    cluster.stop(job)
    end = time.monotonic() + PATIENCE
    with console.status("stopping"):
        while cluster.status(job) in ACTIVE:
            if time.monotonic() > end:
                raise PreimageError(
                    f"{submission.id} was asked to stop {PATIENCE:.0f} seconds ago and has not: see "
                    f"{cluster.address}/#/jobs/{job}"
                )
            time.sleep(0.2)
    console.print(f"stopped {submission.id}; what it made is kept")


def follow_output(submission: "Submission", address: str | None = None) -> None:
    """Print what a submission prints until it is over; exit code 1 where it did not end well."""
    from preimage.cluster.status import Clusters
    from preimage.cluster.submissions import BEGINNING

    clusters, place, decoder = Clusters(address), BEGINNING, getincrementaldecoder("utf-8")("replace")
    try:
        while True:
            standing = clusters.standing(submission)  # before the output: what is over prints no more
            fresh, place = submission.printed(place)
            print(decoder.decode(fresh), end="", flush=True)
            if standing.is_over:
                break
            time.sleep(EVERY)
    except KeyboardInterrupt:
        Console(stderr=True).print(f"\n{submission.id} goes on; preimage stop ends it")
        raise typer.Exit(130) from None
    Console(stderr=True).print(f"{submission.id}: {_state(standing)} {escape(standing.why)}".strip())
    raise typer.Exit(0 if standing.state == "finished" else 1)


def _find(name: str, results: str) -> "Submission":
    from preimage.cluster import submissions
    from preimage.storage.folder import Folder

    return submissions.find(Folder.at(results), name)


def _facts(submission: "Submission", standing: "Standing") -> list[tuple[str, str]]:
    known, state = submission.record, submission.state()
    facts = [
        ("submission", f"{submission.id}, by {known['user']} on {known['host']}, {known['created']}"),
        ("state", standing.state + (f" ({standing.why})" if standing.why else "")),
    ]
    if state:
        facts.append(("job", f"attempt {state['attempt']}, process {state['pid']} on {state['host']}"))
    facts += [
        ("cluster", f"{known['address']}/#/jobs/{state.get('ray_job') or submission.id}"),
        ("code", f"{known.get('git_commit') or 'no commit'}, {submission.folder.uri}/code.zip"),
        ("output", f"{submission.logs.uri}: {_last(submission)}"),
        ("run", known["run"]),
    ]
    made = _run(known["run"])
    if page := made.get("mlflow_page") or made.get("mlflow_run_id"):
        facts.append(("MLflow", page))
    return facts


def _run(address: str) -> dict[str, Any]:
    from preimage.runs.run_folder import RunFolder
    from preimage.storage.folder import Folder

    folder = Folder.at(address)
    return RunFolder(folder).about() if folder.exists("run.json") else {}


def _state(standing: "Standing") -> str:
    return f"[{_colour(standing)}]{standing.state}[/]"


def _colour(standing: "Standing") -> str:
    return COLOURS.get(standing.state, "yellow")


def _said(submission: "Submission", standing: "Standing") -> str:
    """What tells most of it in a line."""
    if standing.state == "finished":
        return submission.record["run"].rsplit("/", 1)[-1]
    return standing.why or _last(submission)


def _last(submission: "Submission") -> str:
    """The last line that it printed."""
    names = submission.logs.names()
    lines = submission.logs.read(names[-1]).decode(errors="replace").split("\n") if names else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:100]
