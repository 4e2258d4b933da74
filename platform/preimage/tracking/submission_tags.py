"""Link a run in the tracker to the submission that it belongs to."""

from preimage.cluster.submissions import Submission
from preimage.tracking.tracker import Tracker

NOTE = "mlflow.note.content"
"""MLflow's tag for the text at the top of a run's page."""


def tell_submission(tracker: Tracker, run_id: str, submission: Submission, whole: bool) -> None:
    """Send the submission's id, folder, code digest and Ray page; with `whole`, also its record and code."""
    known = submission.record
    where = {"": submission.id, "_folder": submission.folder.uri, "_code_sha256": known["upload"]["sha256"]}
    tags = {f"preimage.submission{part}": value for part, value in where.items()}
    page = f"{known['address']}/#/jobs/{submission.id}"
    commit = known.get("git_commit") or "no commit"
    note = (
        f"Submission **{submission.id}** by {known['user']}: [its page in Ray]({page}), its output in "
        f"`{submission.logs.uri}`, its code ({commit}) under *Artifacts*, submissions."
    )
    tracker.tags(run_id, tags | {"preimage.ray_job": page} | ({NOTE: note} if whole else {}))
    if whole:
        for name in ("submission.json", "code.zip"):
            tracker.file(run_id, f"submissions/{submission.id}", name, submission.folder.read(name))
