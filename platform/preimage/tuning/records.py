"""The record of each trial: <study run>/trials/NNNN.json, written in one go when the trial ends."""

from typing import Any, Literal

from pydantic import Field

from preimage.config import Config
from preimage.storage.folder import Folder
from preimage.storage.validated_json import read_or_none

State = Literal["complete", "failed", "stopped"]


class TrialRecord(Config):
    """One trial that has ended."""

    number: int
    params: dict[str, Any]
    """The values of the space's keys that this trial has, by dotted key."""
    state: State
    """stopped: stopped early by the study's scheduler."""
    values: dict[str, float] = Field(default_factory=dict)
    """The objectives by name; empty unless complete."""
    intermediate: tuple[tuple[int, float], ...] = ()
    """(images seen, the scheduler's metric), if there is a scheduler."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Every number of the outcome: STEP.METRIC in a pipeline, METRIC in a single job."""
    error: str | None = None
    """Why it failed or was stopped."""
    traceback: str | None = None
    """Of an unexpected failure."""
    run: str | None = None
    """The name of the trial's run folder."""
    folder: str | None = None
    samples: str | None = None
    """The address of samples.png of the last step that makes a generator."""
    seconds: float = 0.0
    cost: dict[str, int] = Field(default_factory=dict)
    """The cost of a full run of it, as `preimage plan` counts."""


def trials_of(study: Folder) -> Folder:
    """Where a study's run folder keeps its records."""
    return study / "trials"


def write_record(study: Folder, record: TrialRecord) -> None:
    """Write a record, which replaces an earlier one of the same trial."""
    trials_of(study).write_json(f"{record.number:04d}.json", record.model_dump(mode="json"))


def read_records(study: Folder) -> list[TrialRecord]:
    """The records of a study's run folder, in the order of their numbers; without those that are not JSON.

    Raises StorageError for one of another version.
    """
    folder = trials_of(study)
    found = [read_or_none(folder, name, TrialRecord) for name in folder.names() if name.endswith(".json")]
    return [TrialRecord.model_validate(each) for each in found if each is not None]
