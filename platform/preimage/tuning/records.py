"""The record of each trial: <study run>/trials/NNNN.json, written in one go when the trial ends."""

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationError

from preimage.errors import StorageError
from preimage.storage.folder import Folder
from preimage.storage.formats import TRIAL, Kept, Kind
from preimage.storage.validated_json import unless_torn

State = Literal["complete", "failed", "stopped"]


class TrialRecord(Kept):
    """One trial that has ended."""

    kept_as: ClassVar[Kind] = TRIAL
    model_config = ConfigDict(ser_json_inf_nan="constants")  # a metric may be NaN, and has to come back
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
    trials_of(study).write_json(f"{record.number:04d}.json", record.stamped())


def read_records(study: Folder) -> list[TrialRecord]:
    """The records of a study's run folder, in the order of their numbers; one that is not JSON is missing.

    Raises StorageError if one is JSON but not a record, FormatError if one is of another format.
    """
    folder = trials_of(study)
    names = [name for name in folder.files() if name.endswith(".json")]
    found = [_record(data, folder / name) for name, data in zip(names, folder.read_all(names), strict=True)]
    return [each for each in found if each]


def _record(data: bytes | StorageError, place: Folder) -> TrialRecord | None:
    if isinstance(data, StorageError):
        raise data
    value = unless_torn(
        data, place, "It counts as missing: running the study again repeats this trial and writes it anew."
    )
    try:
        TRIAL.require(value, place)
        return None if value is None else TrialRecord.model_validate(value)
    except ValidationError as error:
        raise StorageError(
            f"{place} is not the record of a trial ({error.error_count()} mistakes): it was "
            "altered, or another version wrote it. Remove it, then run the same command to repeat the trial."
        ) from error
