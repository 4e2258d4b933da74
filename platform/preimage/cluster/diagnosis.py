"""What a cluster said of a job that could not record its own end, kept beside the results: the job died, it
was stopped, or its cluster lost it. It counts until the job shows that it lives."""

import logging
from typing import Any

from preimage.cluster.submissions import ENDED, Submission
from preimage.errors import PreimageError, StorageError
from preimage.storage.validated_json import LooseRecord, read_or_none

log = logging.getLogger(__name__)

FILE = "diagnosis.json"


class Diagnosis(LooseRecord):
    """diagnosis.json."""

    state: str
    """died, stopped or lost."""
    why: str
    exit_code: int | None = None
    is_certain: bool
    """Whether the cluster knew the job and said that it had ended; otherwise it did not know the job."""
    attempt: int
    """The attempt of the job that it is about; 0 if none had begun."""
    last_seen: str | None
    """That attempt's last heartbeat."""


def read(submission: Submission, state: dict[str, Any]) -> Diagnosis | None:
    """The diagnosis of a job in this state; None if there is none, or if the job was alive after it."""
    found = read_or_none(submission.folder, FILE, Diagnosis)
    if found is None or _about(found) != _about(_seen(state)):
        return None
    return Diagnosis.model_validate(found)


def has_ended(submission: Submission) -> bool:
    """Whether a submission recorded that it has ended, or its cluster's diagnosis says so. None is asked."""
    try:
        state = submission.state()
        known = read(submission, state)
        return state.get("state") in ENDED or (known is not None and known.is_certain)
    except PreimageError:
        return False


def keep(submission: Submission, state: dict[str, Any], found: dict[str, Any]) -> None:
    """Record a diagnosis of a job in this state. The job itself never writes this file."""
    try:
        submission.folder.write_json(FILE, found | _seen(state))
    except StorageError as error:
        log.warning("how %s ended is not recorded: %s", submission.id, error)


def _seen(state: dict[str, Any]) -> dict[str, Any]:
    return {"attempt": state.get("attempt", 0), "last_seen": state.get("time")}


def _about(found: dict[str, Any]) -> tuple[Any, Any]:
    return found["attempt"], found["last_seen"]
