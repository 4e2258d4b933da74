"""Read our own JSON files, which anyone may have altered: validated, or refused with one message."""

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
    """A JSON file's value, unchanged. Raises StorageError if it is missing or not of this kind."""
    value = folder.read_json(name)
    if problem := _problem(value, kind):
        raise StorageError(f"{folder / name} was altered, or comes from another version: {problem}")
    return value


def read_or_none(folder: Folder, name: str, kind: Any) -> Any:
    """The value of a JSON file that can be made anew; None if it is missing, or, with one warning, not JSON.

    Raises StorageError if it is JSON of another kind: no crash leaves that.
    """
    if not folder.exists(name):
        return None
    try:
        value = json.loads(folder.read(name))
    except (ValueError, RecursionError):
        _warn_torn(str(folder / name))
        return None
    if problem := _problem(value, kind):
        raise StorageError(
            f"{folder / name} was altered, or comes from another version: {problem}. Use that version, "
            "or remove the file: it then counts as missing."
        )
    return value


def _problem(value: Any, kind: Any) -> str | None:
    """Where and why a value is not of this kind."""
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
def _warn_torn(file: str) -> None:
    log.warning("%s is empty or not JSON, as a crash may leave it: it counts as missing", file)
