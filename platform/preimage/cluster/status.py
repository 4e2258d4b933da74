"""The status of a submission: from what its job recorded last, and from what its cluster says."""

import time
from dataclasses import dataclass

from preimage.cluster import submissions
from preimage.cluster.ray_jobs import Jobs, address_of
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError

ACTIVE = ("PENDING", "RUNNING")
"""What Ray calls a job that has not ended."""
PATIENCE = 60.0
"""Seconds that a job has to end after a request to stop."""


@dataclass(frozen=True)
class JobStatus:
    """The state of a submitted job, and the reason where the state alone does not tell."""

    state: str
    """pending, running, finished, failed, stopped, died, lost, or unknown."""
    why: str = ""
    waits_for: str = ""
    """What a job that has begun waits for before it can work, such as CPUs that another one holds."""

    @property
    def has_ended(self) -> bool:
        return self.state not in ("pending", "running", "unknown")


class Clusters:
    """The clusters that submissions were sent to; each is contacted once."""

    def __init__(self, address: str | None = None) -> None:
        """address: replaces the address that the job was submitted to, for example behind a tunnel."""
        self.address = address
        self.found: dict[str, Jobs | PreimageError] = {}

    def of(self, submission: Submission) -> Jobs:
        """The submission's cluster. Raises PreimageError if it does not answer."""
        address = self.address or submission.record["address"]
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
        state = submission.state()
        recorded = state.get("state")
        if recorded in submissions.ENDED:
            return JobStatus(recorded)
        last_seen = f"; last seen at {state['time']}" if state else ""
        try:
            status = self.of(submission).status(ray_id(submission))
        except PreimageError as error:
            return JobStatus("unknown", f"{error}{last_seen}")
        if status in ACTIVE:
            return JobStatus("running" if recorded == "running" else "pending")
        if status == "STOPPED" or submission.asked_to_stop():
            return JobStatus("stopped")
        if status is None:
            return JobStatus("lost", f"its cluster was restarted and does not know it{last_seen}")
        lines = self.of(submission).message(ray_id(submission)).strip().split("\n")  # the job's last lines
        return JobStatus("died", f"{lines[-1][:500] or 'its process was killed'}{last_seen}")


def stop(clusters: Clusters, submission: Submission) -> None:
    """Stop a submission and all its processes, unless it has ended. Raises PreimageError if that fails."""
    if clusters.status(submission).has_ended:
        return
    cluster, job = clusters.of(submission), ray_id(submission)
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


def ray_id(submission: Submission) -> str:
    """Its id in Ray, which differs if it was submitted by Ray's own command line."""
    return submission.state().get("ray_job") or submission.id
