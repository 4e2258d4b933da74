"""The user's visual choice of a study's best and worst trial: <study run>/picks.json."""

from collections.abc import Sequence
from typing import Literal

from pydantic import ValidationError

from preimage.config import Config
from preimage.errors import SpecError, StorageError
from preimage.storage.folder import Folder
from preimage.storage.host_info import now, user
from preimage.storage.validated_json import read_unless_torn
from preimage.tuning.records import TrialRecord

FILE = "picks.json"
PickName = Literal["best", "worst"]


class Pick(Config):
    """One visual choice, made by looking at the samples."""

    name: PickName
    trial: int
    time: str
    """UTC, ISO 8601."""
    user: str
    note: str | None = None


def read_picks(study: Folder) -> list[Pick]:
    """The picks of a study's run folder: at most one of each name; none if their file is not JSON.

    Raises StorageError if it is JSON but does not hold picks.
    """
    if not study.exists(FILE):
        return []
    found = read_unless_torn(study, FILE, "It counts as no picks: pick again with `preimage study pick`.")
    try:
        return [Pick.model_validate(each) for each in ([] if found is None else found)]
    except (ValidationError, TypeError) as error:
        raise StorageError(
            f"{study / FILE} does not hold picks: it was altered. Remove it and pick again."
        ) from error


def add_pick(
    study: Folder, records: Sequence[TrialRecord], name: PickName, trial: int, note: str | None
) -> list[Pick]:
    """Record a pick, which replaces an earlier one of that name. Returns all picks.

    Raises SpecError if the trial does not exist, is not complete, or is already the other pick.
    """
    _require_pickable(records, trial)
    others = [each for each in read_picks(study) if each.name != name]
    if any(each.trial == trial for each in others):
        raise SpecError(
            f"trial {trial} is already picked as {others[0].name}, so it cannot be {name} too. "
            f"Pick another trial as {others[0].name} first."
        )
    picks = sorted(
        [*others, Pick(name=name, trial=trial, time=now(), user=user(), note=note)],
        key=lambda each: each.name,
    )
    study.write_json(FILE, [each.model_dump(mode="json") for each in picks])
    return picks


def _require_pickable(records: Sequence[TrialRecord], trial: int) -> None:
    found = next((each for each in records if each.number == trial), None)
    complete = [each.number for each in records if each.state == "complete"]
    choice = f"pick one of {', '.join(map(str, complete))}" if complete else "no trial is complete yet"
    if not found:
        raise SpecError(f"the study has no trial {trial} that has ended: {choice}")
    if found.state != "complete":
        ended = "failed" if found.state == "failed" else "was stopped early"
        raise SpecError(f"trial {trial} {ended}, so it is not ranked and cannot be picked: {choice}")
