"""A submission's records, as `preimage submit` and the job write them."""

from preimage.cluster.submissions import Submission

RECORD = {
    "name": "demo",
    "run": "/nowhere/runs/train-gan-0000000000",
    "fingerprint": "0" * 64,
    "address": "http://head:8265",
    "created": "2026-01-02T03:04:05+00:00",
    "user": "me",
    "host": "laptop",
    "git_commit": None,
    "server": {},
    "upload": {"sha256": "0" * 64},
}


def record(submission: Submission, **known) -> Submission:
    """Write what was submitted."""
    submission.folder.write_json("submission.json", RECORD | {"id": submission.id} | known)
    return submission


def say(submission: Submission, state: str, **known) -> None:
    """What the job says of itself."""
    said = {"attempt": 1, "state": state, "host": "head", "pid": 1, "ray_job": None}
    submission.update(said | known)
