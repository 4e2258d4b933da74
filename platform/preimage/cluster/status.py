"""How a submission stands: what its job said last, and what its cluster says."""

from dataclasses import dataclass

from preimage.cluster import submissions
from preimage.cluster.ray_jobs import Jobs, address_of
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError

ACTIVE = ("PENDING", "RUNNING")
"""What Ray calls a job that is not over."""


@dataclass(frozen=True)
class Standing:
    """One word, and why it is that one where it does not say it all."""

    state: str
    """pending, running, finished, failed, stopped, died, lost, or unknown."""
    why: str = ""

    @property
    def is_over(self) -> bool:
        return self.state not in ("pending", "running", "unknown")


class Clusters:
    """The clusters that submissions were sent to, each asked for once."""

    def __init__(self, address: str | None = None) -> None:
        """address: for all of them, where it is not the one that was submitted to, as behind a tunnel."""
        self.address = address
        self.found: dict[str, Jobs | PreimageError] = {}

    def of(self, submission: Submission) -> Jobs:
        """Raises PreimageError where it does not answer."""
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

    def standing(self, submission: Submission) -> Standing:
        state = submission.state()
        said = state.get("state")
        if said in submissions.ENDED:
            return Standing(said)
        heard = f"; last heard of at {state['time']}" if state else ""
        try:
            status = self.of(submission).status(ray_id(submission))
        except PreimageError as error:
            return Standing("unknown", f"{error}{heard}")
        if status in ACTIVE:
            return Standing("running" if said == "running" else "pending")
        if status == "STOPPED" or submission.asked_to_stop():
            return Standing("stopped")
        if status is None:
            return Standing("lost", f"its cluster has been started anew and knows nothing of it{heard}")
        lines = self.of(submission).message(ray_id(submission)).strip().split("\n")  # the job's last words
        return Standing("died", f"{lines[-1][:500] or 'its process was killed'}{heard}")


def ray_id(submission: Submission) -> str:
    """Its id in Ray: another where it was handed in by Ray's own command line."""
    return submission.state().get("ray_job") or submission.id
