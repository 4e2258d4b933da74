"""Link a run in the tracker to the submission that it belongs to."""

from preimage.cluster import submissions
from preimage.cluster.submissions import Submission
from preimage.runs.run_folder import RunFolder
from preimage.tracking.tracker import Tracker


def submission_of(run: RunFolder, latest: str | None) -> Submission | None:
    """The submission that this process works for, or else the latest one that is noted of the run, if any."""
    if now := submissions.current():
        return now
    noted = Submission(run.folder.parent.parent / "submissions" / latest) if latest else None
    return noted if noted and noted.folder.exists("submission.json") else None


def tell_submission(tracker: Tracker, run_id: str, submission: Submission, whole: bool) -> None:
    """Send the submission's id and Ray page, and that a Ray job makes the run; with `whole`, also its record
    and its code."""
    tags = {"preimage.submission": submission.id, "preimage.ray_job": submission.page}
    tags |= {"mlflow.source.type": "JOB", "mlflow.source.name": f"preimage submit, {submission.id}"}
    tracker.tags(run_id, tags)
    if whole:
        for name in ("submission.json", "code.zip"):
            tracker.file(run_id, f"submissions/{submission.id}", name, submission.folder.read(name))
