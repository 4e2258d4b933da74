"""What the tracker already has of a run: bookkeeping that can be rebuilt, since sending it again changes
nothing."""

import logging
from dataclasses import dataclass, field

from pydantic import ConfigDict, TypeAdapter, ValidationError

from preimage.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

FILE = "mirror.json"


@dataclass(kw_only=True)
class Seen:
    """What a run in the tracker has of a run's folder: of its own, or of a step's."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    dataset: bool = False
    last_record: str = ""
    records: int = 0
    """How many records it has."""
    last_samples: str = ""
    finished: bool = False
    """Whether it has the final metrics and the figures of a step."""


@dataclass(kw_only=True)
class Notes(Seen):
    """mirror.json."""

    home: str
    run_id: str | None = None
    parent: str | None = None
    """The tracker's run that this one is under."""
    deleted: list[str] = field(default_factory=list)
    """Its former runs in the tracker, which someone deleted there."""
    told: bool = False
    """Whether it has the settings and the spec."""
    parts: dict[str, Seen] = field(default_factory=dict)
    """What a pipeline's has of its steps, by their names."""
    last_system: int = 0
    last_system_of: dict[str, int] = field(default_factory=dict)
    """The same by node, if the run has several."""
    ended: str | None = None
    submission: str | None = None
    """The latest submission it knows."""

    @classmethod
    def of(cls, run: RunFolder, home: str) -> "Notes":
        """What was noted for this tracker; empty for another one, and, with a warning, if it is damaged."""
        if not run.folder.exists(FILE):
            return cls(home=home)
        try:
            notes = _NOTES.validate_json(run.folder.read(FILE))
        except ValidationError as error:
            log.warning(
                "%s is damaged or comes from another version (%s): everything is sent to the tracker again, "
                "which changes nothing that it has",
                *(run.folder / FILE, error.errors()[0]["msg"]),
            )
            return cls(home=home)
        return notes if notes.home == home else cls(home=home)


_NOTES = TypeAdapter(Notes)
