"""All submissions of some results together: which one a name means, and which took another's place."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

from preimage.cluster import submissions
from preimage.cluster.status import Clusters, JobStatus, stop
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError, SpecError
from preimage.storage.folder import Folder

AT_ONCE = 16
"""Jobs that are stopped at a time."""
_STANDS = ("finished", "running", "waiting", "pending")
"""States of a job whose place no later one took."""

_BEFORE = {
    "died": "it died",
    "failed": "it failed",
    "stopped": "it was stopped",
    "lost": "it was lost",
    "unknown": "what became of it is not known",
}


class Stopped(NamedTuple):
    """What became of a request to stop."""

    name: str
    """The submission's id, or what named none."""
    before: JobStatus | None
    problem: PreimageError | None = None
    """Why it did not stop."""


class Ledger:
    """The submissions under a results' root, the newest last, and the clusters that know them."""

    def __init__(self, results: Folder, clusters: Clusters) -> None:
        self.results, self.clusters = results, clusters

    @cached_property
    def all(self) -> list[Submission]:
        """Skips those of another format, with a warning."""
        return submissions.list_all(self.results)

    def status(self, submission: Submission) -> JobStatus:
        """As `Clusters.status`; one that had not finished when its plan was submitted again is superseded."""
        found = self.clusters.status(submission)
        if found.state in _STANDS or not (later := self.later(submission)):
            return found
        before = _BEFORE.get(found.state, f"it is {found.state}") + (f": {found.why}" if found.why else "")
        return JobStatus("superseded", f"by {later.id}; {before}", exit_code=found.exit_code)

    def later(self, submission: Submission) -> Submission | None:
        """The newest submission after this one of the same plan."""
        after = self.all[[each.id for each in self.all].index(submission.id) + 1 :]
        same = [each for each in after if self._plans(each) & self._plans(submission)]
        return same[-1] if same else None

    def named(self, name: str) -> list[Submission]:
        """The submission of this id, or all of a spec of this name, the newest last. Raises SpecError."""
        found = [each for each in self.all if name == each.id]
        found = found or [each for each in self.all if name == each.record["name"]]
        return found or [submissions.find(self.results, name)]  # which raises what helps

    def one(self, name: str) -> Submission:
        """The submission that a name means: of several, the newest that runs, or else the newest that waits
        for room, or else the newest."""
        *earlier, newest = self.named(name)
        if not earlier:
            return newest
        begun = [each for each in (newest, *reversed(earlier)) if each.state().get("state") == "running"]
        states = [self.status(each).state for each in begun]
        for state in ("running", "waiting"):
            if state in states:
                return begun[states.index(state)]
        return newest

    def one_to_stop(self, name: str) -> Submission:
        """The one submission of this name that has not ended, or else the newest. Raises SpecError if several
        have not."""
        found = self.named(name)
        left = [each for each in found if len(found) > 1 and not self.status(each).has_ended]
        if len(left) > 1:
            ids = ", ".join(each.id for each in left)
            raise SpecError(f"{name!r} names {len(left)} submissions that have not ended: name {ids}")
        return (left or found)[-1]

    def stop(self, names: Sequence[str]) -> list[Stopped]:
        """Stop several at once: none waits for another, and none is kept from it by another's error."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            chosen = [self._chosen(name) for name in dict.fromkeys(names)]
            return list(pool.map(self._stop, chosen))

    def _chosen(self, name: str) -> Submission | Stopped:
        try:
            return self.one_to_stop(name)
        except PreimageError as error:
            return Stopped(name, None, error)

    def _stop(self, submission: Submission | Stopped) -> Stopped:
        if isinstance(submission, Stopped):
            return submission
        before = None
        try:
            before = self.status(submission)
            stop(self.clusters, submission)
        except PreimageError as error:
            return Stopped(submission.id, before, error)
        return Stopped(submission.id, before)

    def _plans(self, submission: Submission) -> set[str]:
        """The fingerprints of its plan, before and after its images were read."""
        if submission.id not in self._known:
            self._known[submission.id] = {submission.fingerprint, submission.record["fingerprint"]}
        return self._known[submission.id]

    @cached_property
    def _known(self) -> dict[str, set[str]]:
        return {}
