"""The status of a submission: from what its job recorded last, and from what its cluster says."""

import time
from dataclasses import dataclass
from threading import RLock
from typing import Any

from preimage.cluster import diagnosis, submissions
from preimage.cluster.ray_jobs import Details, Jobs, address_of
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError

ACTIVE = ("PENDING", "RUNNING")
"""What Ray calls a job that has not ended."""
UNENDED = ("pending", "waiting", "running", "unknown")
PATIENCE = 60.0
"""Seconds that a job has to end after a request to stop."""


@dataclass(frozen=True)
class JobStatus:
    """The state of a submitted job, and the reason where the state alone does not tell."""

    state: str
    """pending, waiting, running, finished, failed, stopped, died, lost, superseded or unknown."""
    why: str = ""
    waits_for: str = ""
    """What a job waits for before it can work, such as CPUs that another one holds."""
    exit_code: int | None = None
    """Of its process, if that ended and its code is known."""

    @property
    def has_ended(self) -> bool:
        return self.state not in UNENDED

    @property
    def shell_code(self) -> int:
        """What a command that waited for the job exits with: the job's own code where it is known."""
        if self.exit_code is not None:
            return self.exit_code if self.exit_code >= 0 else 128 - self.exit_code  # a signal, as shells say
        return {"finished": 0, "stopped": 130}.get(self.state, 1)


class Clusters:
    """The clusters that submissions were sent to; each is contacted once."""

    def __init__(self, address: str | None = None) -> None:
        """address: replaces the address that the job was submitted to, for example behind a tunnel."""
        self.address = address
        self.found: dict[str, Jobs | PreimageError] = {}
        self._looking = RLock()

    def of(self, submission: Submission) -> Jobs:
        """The submission's cluster. Raises PreimageError if it does not answer."""
        address = self.address or submission.record["address"]
        with self._looking:
            if address not in self.found:
                try:
                    self.found[address] = Jobs(address_of(address))
                except PreimageError as error:
                    self.found[address] = error
        found = self.found[address]
        if isinstance(found, PreimageError):
            raise found
        return found

    def status(self, submission: Submission) -> JobStatus:
        """Its state by its own record, or else by its cluster; what a cluster says of a job that ended is
        kept, and told again when the cluster is gone."""
        state = submission.state()
        recorded = state.get("state")
        if recorded in submissions.ENDED:
            return JobStatus(recorded, exit_code=state.get("exit_code"))
        kept = diagnosis.read(submission, state)
        if kept and kept.is_certain:
            return _as_kept(kept)
        try:
            details = self.of(submission).details(submission.ray_id)
        except PreimageError as error:
            return _as_kept(kept) if kept else JobStatus("unknown", f"{error}{_last_seen(state)}")
        if details and details.status in ACTIVE:
            return _active(state, details)
        if submission.state() != state:  # it has shown a sign of life, or its end, since
            return self.status(submission)
        if kept and details is None:
            return _as_kept(kept)
        return self._ended(submission, state, details)

    def _ended(self, submission: Submission, state: dict[str, Any], details: Details | None) -> JobStatus:
        """Diagnose a job that its cluster does not run, and keep the diagnosis."""
        found = _diagnosed(submission, state, details)
        known = {"state": found.state, "why": found.why, "is_certain": details is not None}
        code = {"exit_code": found.exit_code} if found.exit_code is not None else {}
        diagnosis.keep(submission, state, known | code)
        if details and submission.record.get("env"):
            self.of(submission).forget_environment(submission.id)
        return found


def stop(clusters: Clusters, submission: Submission) -> None:
    """Stop a submission and all its processes, unless it has ended. Raises PreimageError if that fails."""
    if clusters.status(submission).has_ended:
        return
    cluster, job = clusters.of(submission), submission.ray_id
    submission.ask_to_stop()
    cluster.stop(job)
    end = time.monotonic() + PATIENCE
    while cluster.status(job) in ACTIVE:
        if time.monotonic() > end:
            raise PreimageError(
                f"{submission.id} has not stopped {PATIENCE:.0f} seconds after the request: see "
                f"{cluster.address}/#/jobs/{job}"
            )
        time.sleep(0.2)
    clusters.status(submission)  # which keeps how it ended, if its own process could not


def _active(state: dict[str, Any], details: Details) -> JobStatus:
    if state.get("state") == "running":
        waits_for = state.get("waits_for", "")
        return JobStatus("waiting" if waits_for else "running", waits_for=waits_for)
    return JobStatus("pending", waits_for=details.message if details.status == "PENDING" else "")


def _diagnosed(submission: Submission, state: dict[str, Any], details: Details | None) -> JobStatus:
    if (details and details.status == "STOPPED") or submission.asked_to_stop():
        return JobStatus("stopped")
    if details is None:
        return JobStatus("lost", f"its cluster was restarted and does not know it{_last_seen(state)}")
    last = details.message.strip().split("\n")[-1]  # the job's last lines
    why = f"{last[:500] or 'its process was killed'}{_last_seen(state)}"
    return JobStatus("died", why, exit_code=details.exit_code)


def _as_kept(kept: diagnosis.Diagnosis) -> JobStatus:
    return JobStatus(kept.state, kept.why, exit_code=kept.exit_code)


def _last_seen(state: dict[str, Any]) -> str:
    return f"; last seen at {state['time']}" if state else ""
