"""Read our own JSON files: validated, or refused with one message, since anyone may have altered them. Of
those that can be made anew, one that a crash cut short is missing, with one warning."""

import json
import logging
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from preimage.config import Config
from preimage.errors import StorageError
from preimage.storage.folder import Folder

log = logging.getLogger(__name__)


class LooseRecord(Config):
    """The fields that readers rely on, of exactly these types; the file may hold more."""

    model_config = ConfigDict(extra="allow", strict=True)


def read_validated(folder: Folder, name: str, kind: Any) -> Any:
    """A JSON file's value, unchanged.

    Raises StorageError if it is missing or not of this kind, FormatError if it is of another format than the
    kind is `kept_as`.
    """
    return _validated(folder.read_json(name), kind, folder / name)


def read_validated_if_there(folder: Folder, name: str, kind: Any) -> Any | None:
    """As `read_validated`; None if there is no such file."""
    value = folder.find_json(name)
    return None if value is None else _validated(value, kind, folder / name)


def read_or_none(folder: Folder, name: str, kind: Any) -> Any:
    """The value of a JSON file that can be made anew; None if it is missing, or, with a warning, holds none.

    Raises StorageError if it is JSON of another kind: no crash leaves that.
    """
    data = folder.find(name)
    return None if data is None else or_none(data, folder / name, kind)


def or_none(data: bytes | StorageError, place: Folder, kind: Any) -> Any:
    """As `read_or_none`, of a file that was read already; its error is raised."""
    if isinstance(data, StorageError):
        raise data
    value = unless_torn(data, place, "It counts as missing.")
    if value is not None and (problem := _problem(value, kind, place)):
        raise StorageError(
            f"{place} was altered, or comes from another version: {problem}. Use that version, or remove the "
            "file: it then counts as missing."
        )
    return value


def read_unless_torn(folder: Folder, name: str, instead: str) -> Any | None:
    """A JSON file's value; None, and one warning in this process, if it holds none, as after a power cut.

    instead: what happens now, to end the warning. Raises StorageError if the file cannot be read.
    """
    return unless_torn(folder.read(name), folder / name, instead)


def unless_torn(data: bytes, place: Folder, instead: str) -> Any | None:
    """As `read_unless_torn`, of a file that was read already."""
    try:
        if (value := json.loads(data)) is not None:
            return value
    except (ValueError, RecursionError):
        pass
    _warn(f"{place} is not JSON: it was cut short or altered. {instead}")
    return None


def _validated(value: Any, kind: Any, place: Folder) -> Any:
    if problem := _problem(value, kind, place):
        raise StorageError(f"{place} was altered, or comes from another version: {problem}")
    return value


def _problem(value: Any, kind: Any, place: Folder) -> str | None:
    """Where and why a value is not of this kind. Raises FormatError for another format."""
    if kept_as := getattr(kind, "kept_as", None):
        kept_as.require(value, place)
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the whole file'}: {first['msg']}"
    return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache  # once for each file: some are read every two seconds
def _warn(message: str) -> None:
    log.warning("%s", message)
