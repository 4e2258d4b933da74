"""What is kept on disk, and in which format: one table. The file that describes a thing says its number, and
the version of Preimage that wrote it.

A format's number is raised when an earlier version would misread the files. This version opens the formats
below and refuses every other one; it converts nothing. Formats and versions identify no content.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import model_validator

from preimage._version import __version__
from preimage.config import Config
from preimage.errors import FormatError

FIRST = 1
"""The format of a file that does not say."""
_LONGEST = 40


@dataclass(frozen=True)
class Kind:
    """One kind of thing that is kept."""

    title: str
    """Its name in messages."""
    number: int
    """The format that this version writes and reads."""
    file: str
    """The file that says it."""
    within: str = ""
    """The key of that file under which it is said, if not at the top."""

    def stamp(self) -> dict[str, Any]:
        """What the file says of itself."""
        return {"format": self.number, "preimage": __version__}

    def said(self, value: Any) -> tuple[Any, Any]:
        """The format and the version that a file's value names; the version is None if it names none. A value
        of another form is not of another format, but damaged, which whoever reads it says."""
        about = value.get(self.within) if self.within and isinstance(value, dict) else value
        if not isinstance(about, dict):
            return self.number, None
        versions = about.get("versions")
        others = versions.get("preimage") if isinstance(versions, dict) else None
        return about.get("format", FIRST), about.get("preimage", others)

    def require(self, value: Any, where: object, made_by: str | None = None) -> None:
        """Raise FormatError unless a file's value is of the format that this version reads.

        where: what is refused, an address. made_by: the version that made it, if the file cannot say.
        """
        found, version = self.said(value)
        if found != self.number:
            raise FormatError(
                f"{where} is a {self.title} of format {short(found)}, made by {maker(version or made_by)}; "
                f"Preimage {__version__}, which runs here, reads format {self.number}. Use the version that "
                "made it; or move it away, and make it again with this one"
            )


RUN = Kind("run", 1, "run.json")
OUTCOME = Kind("run's outcome", 1, "outcome.json")
CHECKPOINT = Kind("checkpoint", 1, "meta.json")
TRIAL = Kind("trial's record", 1, "trials/NNNN.json")
GENERATOR = Kind("generator", 1, "config.json")
PROGRAM = Kind("generator's program", 1, "program.json")
CLASSIFIER = Kind("classifier", 1, "config.json")
PRIOR = Kind("prior", 1, "config.json")
STORE = Kind("latent store", 1, "_plan.json", within="about")
DATASET = Kind("dataset", 2, "manifest.json")
SUBMISSION = Kind("submission", 1, "submission.json")
KINDS = (
    *(RUN, OUTCOME, CHECKPOINT, TRIAL, GENERATOR, PROGRAM, CLASSIFIER, PRIOR, STORE, DATASET, SUBMISSION),
)


class Kept(Config):
    """The content of a file that says its format."""

    kept_as: ClassVar[Kind]

    def stamped(self) -> dict[str, Any]:
        """As the file holds it."""
        return self.kept_as.stamp() | self.model_dump(mode="json")

    @model_validator(mode="before")
    @classmethod
    def _without_stamp(cls, value: Any) -> Any:
        stamp = ("format", "preimage")
        return {key: value[key] for key in value if key not in stamp} if isinstance(value, dict) else value


def maker(version: Any) -> str:
    """Who made a file, in words."""
    return f"Preimage {short(version)}" if version else "a version of Preimage that it does not name"


def short(value: Any) -> str:
    """What a file says of itself, in a message: anyone may have written it."""
    return str(value)[:_LONGEST].encode("ascii", "replace").decode()
