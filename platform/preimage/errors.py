"""Errors that a user can fix; the command line prints them without a traceback."""

from collections.abc import Mapping
from typing import Literal


class PreimageError(Exception):
    """An error that the user can fix: one message says what is wrong and what to do."""


class SpecError(PreimageError):
    """A spec that cannot be run as written; the message lists every mistake."""


class DataError(PreimageError):
    """Images that are missing, unreadable or not what the spec asks for."""


class StoreError(PreimageError):
    """A latent store that is half-written, altered or of another shape."""


class GeneratorError(PreimageError):
    """A generator folder that is incomplete, altered or of another shape."""


class ProgramError(GeneratorError, RuntimeError):
    """A stranger's network that fails where it runs."""


class ClassifierError(PreimageError):
    """A classifier folder that is incomplete or altered, or scores that a classifier cannot compute."""


class PriorError(PreimageError):
    """A prior folder that is incomplete or altered, or a prior whose codes do not fit."""


class InversionError(PreimageError, ValueError):
    """Images, codes or settings that cannot be inverted together."""


class CheckpointError(PreimageError):
    """A checkpoint that does not belong to this run or cannot be read."""


class PluginError(PreimageError, ValueError):
    """A plugin that is missing, cannot be imported, or does not bring what it says."""


class StorageError(PreimageError):
    """A folder that cannot be reached, read or written."""


class ClaimLost(StorageError):
    """A run that another process has taken over, because this one did not answer for too long."""


class ClaimTaken(StorageError):
    """A folder that another process makes, where this one must not wait for it."""

    address: str = ""
    """Of that folder."""


class FormatError(PreimageError):
    """What another version of Preimage wrote, in a format that this one does not read.

    Of no other kind, so that nothing takes it for damage and makes the thing anew.
    """


class TrackingError(PreimageError):
    """A tracking server that cannot be reached when a run starts."""


class StoppedEarly(PreimageError):
    """A training run that a study stopped early because other trials are more promising."""


class OutputError(PreimageError):
    """Standard output that cannot be written."""

    def __init__(self, message: str, reader_left: bool = False) -> None:
        """reader_left: whether it is a pipe that nobody reads any more."""
        super().__init__(message)
        self.reader_left = reader_left


class NonFiniteError(PreimageError):
    """A loss or gradient that is not a finite number."""


def how_it_ended(error: BaseException) -> tuple[Literal["stopped", "failed"], str]:
    """How work ended that raised this, and why. An error that is not ours gives only its kind: its words may
    quote what is secret."""
    if isinstance(error, StoppedEarly | ClaimLost | ClaimTaken):
        return "stopped", str(error)
    if isinstance(error, PreimageError):
        return "failed", str(error)
    return ("failed", type(error).__name__) if isinstance(error, Exception) else ("stopped", "")


def plain(error: PreimageError) -> dict[str, str]:
    """An error as JSON values, to pass between processes: its kind and its message."""
    return {"kind": type(error).__name__, "message": str(error)}


def error_of(found: Mapping[str, str]) -> PreimageError:
    """The error that `plain` wrote; a PreimageError with the same message if its kind is unknown here."""
    return _kinds().get(found["kind"], PreimageError)(found["message"])


def _kinds(above: type[PreimageError] = PreimageError) -> dict[str, type[PreimageError]]:
    """Every kind of error, by name."""
    found = {above.__name__: above}
    for kind in above.__subclasses__():
        found |= _kinds(kind)
    return found
