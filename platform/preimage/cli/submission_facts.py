"""What is known of a submission: as plain values for `--json`, and as lines for a terminal."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from preimage.errors import FormatError, StorageError
from preimage.readable import duration
from preimage.storage.address import name_of

if TYPE_CHECKING:
    from preimage.cluster.status import JobStatus
    from preimage.cluster.submissions import Submission

log = logging.getLogger(__name__)

AT_WORK = ("running", "waiting")


def plain(submission: "Submission", job_status: "JobStatus") -> dict[str, Any]:
    """One submission as JSON values. What is not known is null, or empty; addresses are never cut."""
    from preimage.cluster.output_tail import last_line

    record, state = submission.record, submission.state()
    made = _run_or_warning(submission.run)
    return {
        "id": submission.id,
        "name": record["name"],
        "state": job_status.state,
        "why": job_status.why,
        "waits_for": job_status.waits_for,
        "exit_code": job_status.exit_code,
        "attempt": state.get("attempt", 0),
        "user": record["user"],
        "host": record["host"],
        "created": record["created"],
        "began": state.get("began"),
        "time": state.get("time"),
        "seconds": seconds(state),
        "needs": record.get("needs", {}),
        "env": record.get("env", []),
        "run": submission.run,
        "progress": progress(submission) if job_status.state in AT_WORK else None,
        "address": record["address"],
        "page": submission.page,
        "mlflow_run_id": made.get("mlflow_run_id"),
        "mlflow_page": made.get("mlflow_page"),
        "folder": submission.folder.uri,
        "last_line": last_line(submission),
    }


def facts(submission: "Submission", job_status: "JobStatus") -> list[tuple[str, str]]:
    """(label, fact), in lines that a user reads and copies from."""
    from preimage.cluster.output_tail import last_line

    record, state = submission.record, submission.state()
    code = f", exit code {job_status.exit_code}" if job_status.exit_code else ""
    found = [
        ("submission", f"{submission.id}, by {record['user']} on {record['host']}, {record['created']}"),
        ("state", job_status.state + code + (f" ({job_status.why})" if job_status.why else "")),
        ("waits for", job_status.waits_for),
        ("took" if job_status.has_ended else "so far", _times(state)),
        ("progress", _progress(submission) if job_status.state in AT_WORK else ""),
        ("needs", needs(record)),
        ("passed", ", ".join(record.get("env", []))),
        ("job", _process(state)),
        ("cluster", submission.page),
        ("code", f"{record.get('git_commit') or 'no commit'}, {submission.folder / 'code.zip'}"),
        ("output", f"{submission.logs.uri}: {last_line(submission)}"),
    ]
    made = _run(submission.run)
    planned = "" if made or not submission.run else " (as planned; it has not begun)"
    found.append(("run", submission.run + planned))
    found.append(("MLflow", made.get("mlflow_page") or made.get("mlflow_run_id") or ""))
    return [(label, fact) for label, fact in found if fact]


def summary(submission: "Submission", job_status: "JobStatus") -> str:
    """In a list: the run that was made, in part if it was stopped; otherwise what it waits for, why it is in
    its state, or its last line."""
    from preimage.cluster.output_tail import last_line

    if job_status.state in ("finished", "stopped"):
        return name_of(submission.run)
    waits = job_status.waits_for and f"for {job_status.waits_for}"
    return waits or job_status.why or last_line(submission)


def seconds(state: dict[str, Any]) -> float | None:
    """How long the latest attempt has worked or did, by its own machine's clock: until its last heartbeat."""
    if not state.get("began"):
        return None
    return (datetime.fromisoformat(state["time"]) - datetime.fromisoformat(state["began"])).total_seconds()


def took(state: dict[str, Any]) -> str:
    """The same for a reader; empty before it began."""
    whole = seconds(state)
    return "" if whole is None else duration(whole)


def needs(record: dict[str, Any]) -> str:
    """What it needs at once on Ray: 4 CPU, 1 GPU."""
    return ", ".join(f"{number:g} {name}" for name, number in record.get("needs", {}).items())


def progress(submission: "Submission") -> dict[str, Any] | None:
    """How far the run is that the job now makes: of a pipeline, that of its step."""
    from preimage.runs.run_folder import RunFolder
    from preimage.storage.folder import Folder

    run = submission.state().get("working_on") or submission.run
    found = RunFolder(Folder.at(run)).progress()
    return found and {"run": run} | {key: found[key] for key in ("done", "total", "rate")}


def _progress(submission: "Submission") -> str:
    found = progress(submission)
    if not found:
        return ""
    share = f" ({found['done'] / found['total']:.0%})" if found["total"] else ""
    rate = f", {found['rate']:,.0f} a second" if found["rate"] else ""
    return f"{found['done']:,} of {found['total']:,} images{share}{rate}, {name_of(found['run'])}"


def _times(state: dict[str, Any]) -> str:
    return f"{took(state)}, since {state['began']}" if state.get("began") else ""


def _process(state: dict[str, Any]) -> str:
    return f"attempt {state['attempt']}, process {state['pid']} on {state['host']}" if state else ""


def _run_or_warning(address: str) -> dict[str, Any]:
    """One run that is damaged, or of another version, is not in the way of all the others."""
    try:
        return _run(address)
    except (StorageError, FormatError) as error:
        log.warning("%s", error)
        return {}


def _run(address: str) -> dict[str, Any]:
    from preimage.runs.run_folder import RunFolder
    from preimage.storage.folder import Folder

    return RunFolder(Folder.at(address)).about_or_none() or {}
